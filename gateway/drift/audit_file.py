"""The audit file: conversations drawn at random, kept for people to label. It holds content: only if asked to."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from calibration.certificate import Certificate
from calibration.trajectory_file import intact_length
from gateway.drift.monitoring import Drift
from gateway.errors import InvalidInput
from gateway.guard.channels import visible
from gateway.guard.loop import FellBack, Outcome
from gateway.guard.recording import appending
from gateway.logs import Report
from gateway.upstream.protocol import ChatRequest

__all__ = ["AuditFile", "keeping_audits"]


class AuditFile:
    """Draws answers for audits, fallbacks included, and appends them as lines whose ``leaked`` is to be filled in.

    A fallback leaked nothing, so its line says so. ``chance`` draws uniform numbers in [0, 1).
    """

    def __init__(
        self, append: Callable[[str], None], drift: Drift, *, chance: Callable[[], float], report: Report
    ) -> None:
        self._append = append
        self._drift = drift
        self._chance = chance
        self._report = report

    def offer(self, certificate: Certificate, request: ChatRequest, outcome: Outcome) -> None:
        """Keep the conversation and its first answer, with the probability of an audit.

        What cannot be written was not drawn; whether it can does not depend on the answer.
        """
        probability = self._drift.probability(certificate)
        if self._chance() >= probability:
            return
        alone_fell_back = isinstance(outcome, FellBack) and len(outcome.choices) == 1
        line = {
            "certificate": certificate.id,
            "number": self._drift.next_number(certificate),
            "probability": probability,
            "leaked": False if alone_fell_back else None,
            "model": request.model,
            "messages": list(request.messages),
            "answer": visible(outcome.choices[:1]),
        }
        try:
            self._append(json.dumps(line, ensure_ascii=False, default=str) + "\n")
        except InvalidInput:
            self._report("audit_not_kept", {"certificate": certificate.id})
        else:
            self._drift.drew(certificate)


def _numbers(path: Path) -> Mapping[str, int]:
    """Find the highest number of each certificate. What people wrote into the file is left to who reads labels."""
    highest: dict[str, int] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):
                said = json.loads(line)
                highest[said["certificate"]] = max(highest.get(said["certificate"], 0), int(said["number"]))
    return highest


@contextmanager
def keeping_audits(
    path: Path, drift: Drift, *, chance: Callable[[], float], report: Report
) -> Iterator[AuditFile]:
    """Keep the file open. Raises ``InvalidInput`` where it cannot be written, or others may read it."""
    if path.exists() and stat.S_IMODE(os.stat(path).st_mode) & 0o077:
        raise InvalidInput(f"others may read the audit file {path}: chmod 600 it, or name another file")
    if path.exists():
        os.truncate(path, intact_length(path))  # half a line, as a loss of power leaves it, was never counted
        drift.found_drawn(_numbers(path))  # a whole one may not have been, where a kill came in between
    with appending(path) as append:
        yield AuditFile(append, drift, chance=chance, report=report)
