"""From Rényi divergence that grows linearly in its order to (ε, δ), and back. Knows no process."""

from __future__ import annotations

import math

__all__ = ["check_target", "epsilon_of", "rate_for"]


def check_target(epsilon: float, delta: float) -> None:
    """Raise ``ValueError`` unless ε is a positive number and δ lies strictly between 0 and 1."""
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"epsilon must be a positive number, got {epsilon!r}")
    if not 0 < delta < 1:
        raise ValueError(f"delta must lie strictly between 0 and 1, got {delta!r}")


def epsilon_of(rate: float, delta: float) -> float:
    """Return the ε at δ where the Rényi divergence of every order alpha is at most alpha·rate.

    The minimum over alpha > 1 of alpha·rate + log(1/δ)/(alpha-1), taken at alpha = 1 + √(log(1/δ)/rate).
    Verified by: tests/unlearners/test_conversion.py, against the minimum found numerically.
    """
    if not rate >= 0:
        raise ValueError(f"a rate of divergence cannot be negative, got {rate!r}")
    return rate + 2 * math.sqrt(rate * math.log(1 / delta))


def rate_for(epsilon: float, delta: float) -> float:
    """Return the largest rate that still gives (ε, δ): the inverse of ``epsilon_of``.

    (√(log(1/δ)+ε) - √log(1/δ))², written so that a tiny ε does not cancel.
    """
    check_target(epsilon, delta)
    log = math.log(1 / delta)
    return float((epsilon / (math.sqrt(log + epsilon) + math.sqrt(log))) ** 2)
