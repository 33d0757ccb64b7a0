"""The release rule, the one place that says when an answer goes out. Serving and replay both call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Surrender", "first_released", "gives_up", "passes"]


@dataclass(frozen=True, slots=True)
class Surrender:
    """Give up at the end of round ``after`` (counted from 1) where every score so far lies above ``ceiling``."""

    after: int
    ceiling: float

    def __post_init__(self) -> None:
        if self.after < 1 or not 0.0 <= self.ceiling <= 1.0:
            raise ValueError(f"a surrender comes after round 1 or later, with a ceiling in [0, 1], not {self}")


def passes(score: float, threshold: float) -> bool:
    """Say whether a candidate may go out: strictly below the threshold. A NaN never passes."""
    return score < threshold


def first_released(scores: Sequence[float], threshold: float) -> int | None:
    """Return the position of the candidate that serving would have released, or None for the fallback."""
    for position, score in enumerate(scores):
        if passes(score, threshold):
            return position
    return None


def gives_up(lowest: float, rounds: int, surrender: Surrender) -> bool:
    """Say, at the end of a round, whether serving falls back at once instead of refining further.

    ``lowest`` is the lowest score so far, ``rounds`` how many rounds were judged. Giving up can only turn an
    answer into the fallback, so every leak bound that holds without it holds with it.
    """
    return rounds == surrender.after and lowest > surrender.ceiling
