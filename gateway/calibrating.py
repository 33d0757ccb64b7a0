"""Calibrating: prompts through a gateway's own loop, labelled, into a certificate. Knows no command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from calibration.certificate import Certificate, Method
from calibration.issue import issue_certificate
from calibration.trajectory_file import apply_labels
from evaluation.oracle import ForbiddenStrings
from gateway.app import Gateway
from gateway.errors import InvalidInput
from gateway.guard.policy import Policy
from gateway.guard.prompts import Prompt, PromptSet
from gateway.guard.recording import Oracle, Progress, Recorder
from gateway.guard.trajectory import Step, walk
from gateway.policies import Subject

__all__ = ["Wish", "by_forbidden_strings", "calibrate"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the certificate should promise: see ``calibration.issue.issue_certificate``."""

    level: float = 0.05
    confidence: float | None = 0.95
    method: Method = "record_low"
    every_group: str | None = None
    cover_subsets: bool = True


async def calibrate(
    gateway: Gateway,
    prompts: PromptSet,
    wish: Wish,
    *,
    model: str,
    trajectories: Path,
    labels: Path | None,
    created: datetime,
    progress: Progress,
    oracle: Oracle | None = None,
    concurrency: int = 32,
) -> Certificate:
    """Record, label and issue. Can be interrupted and called again with the same ``trajectories`` file.

    Answers are labelled by ``oracle``, by default the prompts' forbidden strings; ``labels`` win over either.

    Raises ``InvalidInput`` for a file of other bindings, where no topic is active, and, after recording, where
    labels are missing; ``UpstreamError`` if the model fails.
    """
    async with gateway.policies.for_calibration(model) as subject:
        _check(prompts, subject.policy)
        recorder = Recorder(
            walk=_Walking(gateway, subject, model),
            oracle=oracle or by_forbidden_strings(prompts),
            bindings=replace(subject.bindings, prompts=prompts.fingerprint),
            concurrency=concurrency,
        )
        recording = await recorder.record(prompts, trajectories, progress)
    try:
        if labels is not None:
            recording = apply_labels(recording, labels)
        return issue_certificate(
            recording,
            level=wish.level,
            confidence=wish.confidence,
            method=wish.method,
            every_group=wish.every_group,
            cover_subsets=wish.cover_subsets,
            created=created.astimezone(UTC).isoformat(timespec="seconds"),
        )
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    except ImportError as error:
        raise InvalidInput(f"the method ltt needs MAPIE: pip install 'lethe-gateway[ltt]' ({error})") from error


@dataclass(frozen=True, slots=True)
class _Walking:
    """Takes a prompt through the gateway's loop under one policy, without stopping."""

    gateway: Gateway
    subject: Subject
    model: str

    def __call__(self, prompt: Prompt) -> AsyncIterator[Step]:
        return walk(self.subject.upstream, self.gateway.plan, prompt.request(self.model), self.subject.policy)


def _check(prompts: PromptSet, policy: Policy) -> None:
    if not policy.topics:
        raise InvalidInput("no topic is active, so there is nothing to calibrate; see `lethe topics on`")
    for prompt in prompts.prompts:
        if prompt.topic is not None and prompt.topic not in policy.topics:
            raise InvalidInput(
                f"prompt {prompt.id!r} probes the topic {prompt.topic!r}, which is not active; "
                "activate it or drop the prompt"
            )


def by_forbidden_strings(prompts: PromptSet) -> Oracle:
    """Label by the prompts' own forbidden strings. Raises ``InvalidInput`` for one without a letter or digit."""
    try:
        references = {
            prompt.id: ForbiddenStrings.of(prompt.forbidden)
            for prompt in prompts.prompts
            if prompt.forbidden is not None
        }
    except ValueError as error:
        raise InvalidInput(f"the prompts file: {error}") from error

    def leaks(prompt: Prompt, answer: str) -> bool | None:
        reference = references.get(prompt.id)
        return None if reference is None else reference.leaks(answer)

    return leaks
