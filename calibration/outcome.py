"""What calibrating can end in: a threshold that keeps its promise, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Certified", "Infeasible", "Outcome", "check_confidence", "check_level"]


@dataclass(frozen=True, slots=True)
class Certified:
    """A threshold under which leaks are bounded by ``level``.

    ``k`` of the ``n`` units: for the record-low rules the rank that was taken (the threshold is the k-th
    smallest record low, capped at 1), for the tests the number of leaks seen at the threshold. ``confidence``
    is 1 - delta over the calibration draw, or None where the promise is the average over calibration draws.
    """

    threshold: float
    k: int
    n: int
    level: float
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No threshold above 0 keeps the promise, so nothing may be released.

    ``needed`` is the smallest number of units that could suffice if none of them leaked; None where more
    units alone would not help.
    """

    reason: str
    n: int
    needed: int | None


Outcome: TypeAlias = Certified | Infeasible


def check_level(level: float) -> None:
    """Raise ``ValueError`` unless 0 < level < 1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"the level must lie strictly between 0 and 1, got {level!r}")


def check_confidence(confidence: float) -> None:
    """Raise ``ValueError`` unless 0 < confidence < 1."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"the confidence must lie strictly between 0 and 1, got {confidence!r}")
