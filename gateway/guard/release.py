"""Whether a judged answer goes out under a release rule, for serving and for answers handed in. Knows no loop."""

from __future__ import annotations

from typing import Final

from calibration.release import passes
from gateway.guard.policy import Bounded, Closed, Open, ReleaseRule, ZeroEvidence

__all__ = ["goes_out"]

_ABOVE_ZERO: Final = 5e-324
"""The smallest positive number: strictly below it lies the score 0 alone."""


def goes_out(score: float, rule: ReleaseRule) -> bool:
    """Say whether an answer of this score, in [0, 1], may go out."""
    match rule:
        case Bounded(threshold):
            return passes(score, threshold)
        case ZeroEvidence():
            return passes(score, _ABOVE_ZERO)
        case Open():
            return True
        case Closed():
            return False
