"""Which order statistic keeps a promise at n units. Exact arithmetic; knows no scores and no leaks."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy.special import bdtr

from calibration.outcome import check_confidence, check_level

__all__ = ["confident_rank", "exact", "expectation_rank", "miss_probability", "units_needed"]


def exact(decimal: float) -> Fraction:
    """Read a float as the decimal that was written: 0.05 is 1/20, not the nearest binary fraction."""
    return Fraction(repr(float(decimal)))


def miss_probability(confidence: float) -> float:
    """Return delta = 1 - confidence, without the rounding of a float subtraction."""
    return float(1 - exact(confidence))


def expectation_rank(n: int, level: float) -> int:
    """Return k = floor(level * (n + 1)); 0 where n units are too few."""
    check_level(level)
    return math.floor(exact(level) * (n + 1))


@lru_cache(maxsize=4096)
def confident_rank(n: int, level: float, confidence: float) -> int:
    """Return the largest k with P(Bin(n, level) <= k - 1) <= 1 - confidence; 0 where n units are too few."""
    check_level(level)
    check_confidence(confidence)
    if n == 0:
        return 0
    tails = bdtr(np.arange(n), n, level)  # increasing: P(Bin <= 0), ..., P(Bin <= n - 1)
    return int(np.searchsorted(tails, miss_probability(confidence), side="right"))


def units_needed(level: float, confidence: float | None, leaks: int = 0) -> int:
    """Return the smallest n at which a threshold exists although ``leaks`` units have record lows below it.

    Without a confidence (leaks + 1) / level - 1, rounded up; with one, the smallest n with
    P(Bin(n, level) <= leaks) <= 1 - confidence.
    """
    check_level(level)
    if leaks < 0:
        raise ValueError(f"leaks must not be negative, got {leaks!r}")
    if confidence is None:
        return math.ceil((leaks + 1) / exact(level)) - 1
    check_confidence(confidence)
    few, many, miss = leaks, leaks + 1, miss_probability(confidence)
    while bdtr(leaks, many, level) > miss:  # the same comparison as in ``confident_rank``
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if bdtr(leaks, middle, level) <= miss else (middle, many)
    return many
