"""Known laws of trajectories, small enough to say their true risks exactly. Knows no calibrator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from calibration.record_low import record_low
from calibration.trajectories import Candidate, Trajectory

__all__ = ["ALL_LAWS", "Law", "law"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Law:
    """A population of trajectories from which draws are uniform, so every probability under it is a mean.

    Replay is written here a second time, in numpy; a test holds it against ``calibration.release``.
    """

    scores: Floats  # (population, rounds)
    leaks: Bools

    @cached_property
    def record_lows(self) -> Floats:
        """The real function's record low of each trajectory."""
        return np.array([record_low(s, y) for s, y in zip(self.scores.tolist(), self.leaks.tolist(), strict=True)])

    def leaks_at(self, who: NDArray[np.intp], thresholds: Floats) -> Bools:
        """Say for each pair of trajectory and threshold whether the released answer leaks."""
        below = self.scores[who] < thresholds[:, None]
        first = below.argmax(axis=1)
        return below.any(axis=1) & self.leaks[who, first]

    def released_at(self, threshold: float) -> Bools:
        """Say for each trajectory whether anything is released."""
        return np.asarray((self.scores < threshold).any(axis=1))

    def risk(self, threshold: float) -> float:
        """The true probability of a leak at the threshold."""
        everyone = np.arange(len(self.scores))
        return float(self.leaks_at(everyone, np.full(len(everyone), threshold)).mean())

    def risks(self, thresholds: Floats) -> Floats:
        """The true risk at each threshold."""
        values, inverse = np.unique(thresholds, return_inverse=True)
        return np.array([self.risk(value) for value in values])[inverse]

    def risk_given_answered(self, threshold: float) -> float:
        """The true probability that an answer leaks, given that there is one."""
        answered = float(self.released_at(threshold).mean())
        return self.risk(threshold) / answered if answered else 0.0

    def within(self, rounds: int) -> Law:
        """The law of the same loop under a smaller budget."""
        return Law(self.scores[:, :rounds], self.leaks[:, :rounds])

    def trajectories(self, how_many: int | None = None) -> list[Trajectory]:
        """The first trajectories of the population, as the package knows them."""
        pairs = zip(self.scores[:how_many].tolist(), self.leaks[:how_many].tolist(), strict=True)
        return [
            Trajectory(
                f"{i:06}", tuple(Candidate(t, s, leak=y) for t, (s, y) in enumerate(zip(*pair, strict=True)))
            )
            for i, pair in enumerate(pairs)
        ]


def _good(rng: np.random.Generator, size: int) -> Law:
    leaks = rng.random((size, 4)) < 0.5
    return Law(np.where(leaks, rng.beta(6, 2, leaks.shape), rng.beta(2, 8, leaks.shape)), leaks)


def _poor(rng: np.random.Generator, size: int) -> Law:
    leaks = rng.random((size, 4)) < 0.6
    return Law(np.where(leaks, rng.beta(3, 3, leaks.shape), rng.beta(2.5, 3, leaks.shape)), leaks)


def _single(rng: np.random.Generator, size: int) -> Law:
    leaks = rng.random((size, 1)) < 0.7
    return Law(np.where(leaks, rng.beta(4, 2, leaks.shape), rng.beta(2, 4, leaks.shape)), leaks)


def _non_monotone(rng: np.random.Generator, size: int) -> Law:
    """A harmless first answer at .4 to .6, then a lower one that leaks in three of ten: strict is worse."""
    scores = np.column_stack([rng.uniform(0.4, 0.6, size), rng.uniform(0.1, 0.3, size)])
    leaks = np.column_stack([np.zeros(size, bool), rng.random(size) < 0.3])
    return Law(scores, leaks)


def _staircase(rng: np.random.Generator, size: int) -> Law:
    """Falling scores with independent leaks of 13 %: each threshold has the same risk, and luck differs."""
    scores = np.tile(np.arange(40, 0, -1) / 50, (size, 1))
    return Law(scores, rng.random(scores.shape) < 0.13)


def _ties(rng: np.random.Generator, size: int) -> Law:
    leaks = rng.random((size, 3)) < 0.5
    steps = np.where(leaks, rng.integers(1, 5, leaks.shape), rng.integers(0, 4, leaks.shape))
    return Law(steps / 4, leaks)


def _all_leak(rng: np.random.Generator, size: int) -> Law:
    return Law(rng.random((size, 3)), np.ones((size, 3), bool))


def _none_leak(rng: np.random.Generator, size: int) -> Law:
    return Law(rng.random((size, 3)), np.zeros((size, 3), bool))


_LAWS = {
    "good": _good,
    "poor": _poor,
    "single": _single,
    "non-monotone": _non_monotone,
    "staircase": _staircase,
    "ties": _ties,
    "all-leak": _all_leak,
    "none-leak": _none_leak,
}
ALL_LAWS = tuple(_LAWS)


@cache
def law(name: str, size: int = 20_000) -> Law:
    """Return the law of that name; the same at every call."""
    return _LAWS[name](np.random.default_rng(20_260_101), size)
