"""How many deletions a radius or a noise level covers. Knows no data, no model and no gradients."""

from __future__ import annotations

import math
from fractions import Fraction

from unlearners.conversion import check_target, epsilon_of

__all__ = [
    "ALLOWANCE",
    "deletion_shift",
    "majority_budget",
    "sampled_budget",
    "sampled_epsilon",
    "sampled_rate",
]

ALLOWANCE = 1e-9
"""The share of the clip M by which a mean gradient in 64-bit arithmetic may be off; taken off every radius."""


def deletion_shift(deleted: int, rows: int, clip: float) -> float:
    """Return 2kM/n, the most by which the mean of n gradients of norm ≤ M moves when k of them leave.

    (n-k)·M·(1/(n-k) - 1/n) for the rows that stay, kM/n for those that go. It is reached: all stay at M·u, all
    that go are at -M·u.
    """
    if not 0 <= deleted < rows:
        raise ValueError(f"can delete 0 to {rows - 1} of {rows} rows, not {deleted}")
    return 2 * deleted * clip / rows


def majority_budget(smallest_radius: float, rows: int, clip: float) -> int:
    """Return B' = ⌊R'n / (2M + R')⌋ in exact rational arithmetic: deleting so many rows changes no code.

    B' ≥ 1 means 2B'M/n < 2B'M/(n-B') ≤ R', strictly inside every radius, ties included. ``smallest_radius`` is
    R' over all coordinates and steps; ``ALLOWANCE``·M is taken off it. Verified by:
    tests/guarantees/test_unlearning_pcmu.py.
    """
    if not (rows >= 1 and clip > 0):
        raise ValueError(f"needs rows and a positive clip, got {rows} and {clip!r}")
    if math.isinf(smallest_radius):
        return rows - 1
    left = Fraction(smallest_radius) - Fraction(ALLOWANCE) * Fraction(clip)
    return 0 if left <= 0 else int(left * rows // (2 * Fraction(clip) + left))


def sampled_rate(deleted: int, *, rows: int, steps: int, clip: float, sigma: float) -> float:
    """Return 2Tk²M²/(n·sigma)², the zCDP of T Gaussian steps whose mean moves by ≤ 2kM/n, adaptively composed.

    Verified by: tests/guarantees/test_unlearning_pcmu.py.
    """
    return steps * (deletion_shift(deleted, rows, clip) / sigma) ** 2 / 2


def sampled_epsilon(deleted: int, delta: float, *, rows: int, steps: int, clip: float, sigma: float) -> float:
    """Return rate + 2√(rate·log(1/δ)) for k deletions."""
    return epsilon_of(sampled_rate(deleted, rows=rows, steps=steps, clip=clip, sigma=sigma), delta)


def sampled_budget(epsilon: float, delta: float, *, rows: int, steps: int, clip: float, sigma: float) -> int:
    """Return the most rows that can be deleted in all within (ε, δ): by bisection, 0 where none can."""
    check_target(epsilon, delta)
    low, high = 0, rows  # low is within, high is not (no row would be left)
    while high - low > 1:
        middle = (low + high) // 2
        reached = sampled_epsilon(middle, delta, rows=rows, steps=steps, clip=clip, sigma=sigma)
        low, high = (middle, high) if reached <= epsilon else (low, middle)
    return low
