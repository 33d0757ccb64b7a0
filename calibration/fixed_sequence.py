"""Leaks at each threshold of a fixed grid, and the exact test from the strictest on. Knows no record lows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

from calibration.outcome import Certified, Infeasible, Outcome, check_confidence, check_level
from calibration.ranks import miss_probability, units_needed
from calibration.release import first_released
from calibration.replay import by_unit, leaks_if_released, reached_foreign
from calibration.trajectories import Trajectory

__all__ = [
    "DEFAULT_GRID",
    "Constraint",
    "check_grid",
    "control_by_fixed_sequence",
    "leak_losses",
    "leaks_or_crosses",
    "loosest",
    "none_rejected",
    "p_values",
    "reached_exactly",
]

DEFAULT_GRID: tuple[float, ...] = tuple(step / 50 for step in range(1, 51))
"""Thresholds from the strictest to the loosest, fixed before any data is seen."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A risk that must be at most ``level``: ``losses`` counts the units, of ``n``, that lose, per candidate."""

    losses: tuple[int, ...]
    n: int
    level: float


def leaks_or_crosses(trajectory: Trajectory, position: int | None) -> bool:
    """Say whether a release there leaks, or comes after evidence about another topic than the prompt's."""
    return reached_foreign(trajectory, position) or leaks_if_released(trajectory, position)


def leak_losses(
    trajectories: Iterable[Trajectory],
    grid: Sequence[float] = DEFAULT_GRID,
    loses: Callable[[Trajectory, int | None], bool] = leaks_if_released,
) -> NDArray[np.bool_]:
    """Return L_i(threshold) by replay, shape (units, len(grid)); a unit loses where any prompt of it does.

    ``loses`` judges a trajectory by the position that was released, None for the fallback.
    """
    rows = [
        np.any([_losses(member, grid, loses) for member in members], axis=0)
        for _, members in by_unit(trajectories)
    ]
    return np.asarray(rows, dtype=np.bool_).reshape(len(rows), len(grid))


def _losses(
    trajectory: Trajectory, grid: Sequence[float], loses: Callable[[Trajectory, int | None], bool]
) -> list[bool]:
    scores = trajectory.scores
    positions = [first_released(scores, threshold) for threshold in grid]
    verdicts = {position: loses(trajectory, position) for position in set(positions)}
    return [verdicts[position] for position in positions]


def p_values(leaks: ArrayLike, n: int, level: float) -> NDArray[np.float64]:
    """Return P(Bin(n, level) <= leaks) per entry: the exact p-value of a leak probability above level."""
    counts = np.asarray(leaks, dtype=np.float64)
    return np.asarray(bdtr(counts, n, level) if n else np.ones_like(counts), dtype=np.float64)


def reached_exactly(constraints: Sequence[Constraint], delta: float) -> int:
    """Return how many candidates, in their order, are rejected in all constraints before the first that is not.

    A candidate is bad if any risk is above its level, so its p-value is the largest of its constraints'.
    """
    worst = np.max([p_values(c.losses, c.n, c.level) for c in constraints], axis=0)
    return int(np.argmin(np.append(worst <= delta, False)))


def control_by_fixed_sequence(
    leaks: Sequence[int], grid: Sequence[float], n: int, *, level: float, confidence: float
) -> Outcome:
    """Walk from the strictest threshold on while the exact test rejects; certify the last rejected.

    Guarantee:   P(risk(threshold) <= level) >= confidence. Only thresholds of the grid up to this one are
                 covered: the loss is not monotone, so a stricter threshold in between is not.
    Assumes:     independent, identically distributed units; a grid and an order fixed before the data.
    Source:      arXiv 2110.01052, fixed-sequence testing with the exact binomial p-value of a 0/1 loss.
    Verified by: tests/guarantees/test_ltt.py
    Args:        leaks, shape (len(grid),): units that leak at each threshold, out of n. The grid ascends.
    """
    check_level(level)
    check_confidence(confidence)
    check_grid(grid)
    constraint = Constraint(tuple(leaks), n, level)
    rejected = reached_exactly([constraint], miss_probability(confidence))
    if rejected == 0:
        return none_rejected(leaks, n, level, confidence)
    return loosest(rejected - 1, leaks, grid, n, level, confidence)


def check_grid(grid: Sequence[float]) -> None:
    """Raise ``ValueError`` unless the grid ascends within (0, 1]."""
    steps = np.asarray(grid, dtype=np.float64)
    if len(steps) == 0 or steps[0] <= 0.0 or steps[-1] > 1.0 or not (np.diff(steps) > 0.0).all():
        raise ValueError("the grid must ascend strictly within (0, 1]")


def loosest(
    position: int, leaks: Sequence[int], grid: Sequence[float], n: int, level: float, confidence: float
) -> Certified:
    """Certify the grid's threshold at ``position``."""
    return Certified(float(grid[position]), int(leaks[position]), n, level, confidence)


def none_rejected(leaks: Sequence[int], n: int, level: float, confidence: float) -> Infeasible:
    """Say why the test rejected nowhere: too few units, or leaks even at the strictest threshold."""
    needed = units_needed(level, confidence)
    if n < needed:
        return Infeasible(f"{n} units are too few: {needed} would do if none of them leaked", n, needed)
    return Infeasible(
        f"{leaks[0]} of {n} units leak at the strictest threshold of the grid, too many for level {level:g}; "
        "a better verifier is needed, or a finer grid",
        n,
        None,
    )
