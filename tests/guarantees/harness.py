"""Counting how often a promise fails, and judging the count by exact binomial tests. Knows no promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from calibration.outcome import Certified, Outcome

from .laws import Law

__all__ = ["SURE", "check_kept", "check_not_timid", "next_leaks", "thresholds"]

SURE = 1e-4
"""A check may cry wolf with this probability at most."""

NOTHING = 0.0
"""The threshold under which nothing is released: what an infeasible outcome means."""


def check_kept(misses: int, reps: int, level: float) -> None:
    """Fail where so many misses could hardly have come from a promise that is kept."""
    chance = float(binom.sf(misses - 1, reps, level))
    assert chance >= SURE, f"{misses} of {reps} missed at level {level}: has probability {chance:.1e}"


def check_not_timid(misses: int, reps: int, level: float) -> None:
    """Fail where so few misses show that much less is released than the level allows (under 80 % of it)."""
    chance = float(binom.cdf(misses, reps, 0.8 * level))
    assert chance >= SURE, f"{misses} of {reps} missed at level {level}: timid, has probability {chance:.1e}"


def thresholds(
    lows: NDArray[np.float64], n: int, reps: int, seed: int, choose: Callable[[NDArray[np.float64]], Outcome]
) -> NDArray[np.float64]:
    """Calibrate ``reps`` times on ``n`` independent draws of record lows; 0 where that was infeasible."""
    rng = np.random.default_rng(seed)
    draws = lows[rng.integers(0, len(lows), (reps, n))]
    outcomes = map(choose, draws)
    return np.array([o.threshold if isinstance(o, Certified) else NOTHING for o in outcomes])


def next_leaks(law: Law, served: NDArray[np.float64], seed: int) -> int:
    """Draw the next trajectory for each calibration, and count the released leaks."""
    who = np.random.default_rng(seed + 1).integers(0, len(law.scores), len(served))
    return int(law.leaks_at(who, served).sum())
