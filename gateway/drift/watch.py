"""A watch: both monitors of one certificate, and which audits were drawn and labelled. Knows no serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from calibration.drift import Audits, Scores, after_audit, after_score
from gateway.errors import InvalidInput

__all__ = ["MONITORS", "Labelled", "Monitor", "Watch", "after_labels"]

Monitor: TypeAlias = Literal["scores", "audits"]

MONITORS: Final[tuple[Monitor, ...]] = ("scores", "audits")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One audited answer: whether it leaked; ``number`` is the one under which the gateway drew it, if it did.

    ``probability`` is that with which it was drawn, None for the smallest of the monitor.
    """

    leaked: bool
    number: int | None = None
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What was seen under a certificate; ``drawn`` and ``labelled`` count the gateway's own audits.

    ``beside`` are the monitors of another certificate of the same model that rang while this one was in force.
    """

    scores: Scores
    audits: Audits
    drawn: int = 0
    labelled: int = 0
    beside: frozenset[Monitor] = frozenset()

    def monitor(self, name: Monitor) -> Scores | Audits:
        """Give a monitor by its name."""
        return self.scores if name == "scores" else self.audits

    def rang(self, name: Monitor) -> bool:
        """Say whether a monitor rang, here or beside."""
        return self.monitor(name).alarm or name in self.beside

    def after_score(self, score: float) -> Watch:
        """Take the first candidate's score of a conversation that touches a topic."""
        return replace(self, scores=after_score(self.scores, score))

    def held_to(self, delta: float) -> Watch:
        """Judge past evidence by the delta that is set now: it was fixed without looking at it."""
        return replace(self, scores=replace(self.scores, delta=delta), audits=replace(self.audits, delta=delta))

    def draw(self) -> Watch:
        """Count one more answer that was kept for an audit: its number is ``drawn`` afterwards."""
        return replace(self, drawn=self.drawn + 1)


def after_labels(watch: Watch, labels: Sequence[Labelled]) -> tuple[Watch, int]:
    """Take labels in their order; says how many were new. What came before is skipped, so a file can come again.

    The promise of the monitor needs a label for every answer that was drawn. So numbers may not be left out:
    who labels the easy ones alone would hide a drift. Raises ``InvalidInput``, and then nothing was taken.
    """
    new = 0
    for label in labels:
        if label.number is not None:
            if label.number <= watch.labelled:
                continue
            _check_number(watch, label.number)
            watch = replace(watch, labelled=label.number)
        watch, new = replace(watch, audits=_taken(watch.audits, label)), new + 1
    return watch, new


def _check_number(watch: Watch, number: int) -> None:
    if number > watch.drawn:
        raise InvalidInput(f"audit {number} was not drawn by this gateway under this certificate")
    if number > watch.labelled + 1:
        raise InvalidInput(
            f"audit {number} came before audit {watch.labelled + 1}: label every drawn answer, send them in order"
        )


def _taken(audits: Audits, label: Labelled) -> Audits:
    probability = audits.least_probability if label.probability is None else label.probability
    try:
        return after_audit(audits, leaked=label.leaked, probability=probability)
    except ValueError as error:
        raise InvalidInput(str(error)) from error
