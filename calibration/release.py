"""The release rule, the one place that says when an answer goes out. Serving and replay both call it."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["first_released", "passes"]


def passes(score: float, threshold: float) -> bool:
    """Say whether a candidate may go out: strictly below the threshold. A NaN never passes."""
    return score < threshold


def first_released(scores: Sequence[float], threshold: float) -> int | None:
    """Return the position of the candidate that serving would have released, or None for the fallback."""
    for position, score in enumerate(scores):
        if passes(score, threshold):
            return position
    return None
