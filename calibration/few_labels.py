"""Few people's labels beside many of a judge: a bound that trusts the people. Knows no answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv

from calibration.fixed_sequence import DEFAULT_GRID, check_grid, leak_losses
from calibration.outcome import Certified, Infeasible, Outcome, check_confidence, check_level
from calibration.ranks import miss_probability, units_needed
from calibration.replay import by_unit, leaks_if_released
from calibration.trajectories import Trajectory

__all__ = [
    "FewLabels",
    "control_with_few_labels",
    "count_few_labels",
    "prediction_powered_bound",
    "units_to_label",
]

JUDGED_SHARE = 0.1
"""Of delta, what the many judged units get: they are many, so a small chance of a miss costs them little."""


@dataclass(frozen=True, slots=True)
class FewLabels:
    """Counts at each threshold of a grid that ascends.

    The judge calls ``judged_leaks`` of ``judged`` units a leak. People labelled ``labelled`` of them, a random
    sample, and call ``missed`` a leak that the judge does not. ``seed`` drew the sample (`units_to_label`).
    Raises ``ValueError`` for counts that cannot be.
    """

    grid: tuple[float, ...]
    judged_leaks: tuple[int, ...]
    judged: int
    missed: tuple[int, ...]
    labelled: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_grid(self.grid)
        if not len(self.grid) == len(self.judged_leaks) == len(self.missed):
            raise ValueError("few labels need one count of either kind for each threshold of the grid")
        if not 0 <= self.labelled <= self.judged:
            raise ValueError(f"people cannot have labelled {self.labelled} of {self.judged} units")
        for counts, most in ((self.judged_leaks, self.judged), (self.missed, self.labelled)):
            if not all(0 <= count <= most for count in counts):
                raise ValueError(f"a count of leaks lies outside 0 to {most}")


def units_to_label(trajectories: Sequence[Trajectory], how_many: int, seed: int) -> frozenset[str]:
    """Draw at random which units people should label: the bound holds for a random sample and no other."""
    units = [unit for unit, _ in by_unit(trajectories)]
    if not 0 <= how_many <= len(units):
        raise ValueError(f"cannot draw {how_many} of {len(units)} units to label")
    drawn = np.random.default_rng(seed).choice(len(units), how_many, replace=False)
    return frozenset(units[position] for position in drawn)


def count_few_labels(
    judged: Sequence[Trajectory],
    labelled: Sequence[Trajectory],
    grid: Sequence[float] = DEFAULT_GRID,
    *,
    loses: Callable[[Trajectory, int | None], bool] = leaks_if_released,
    seed: int = 0,
) -> FewLabels:
    """Replay what the judge labelled, and the sample that people labelled, at each threshold.

    ``labelled`` are the sampled units' trajectories with people's labels; ``loses`` says what a loss is (see
    ``leak_losses``). Raises ``ValueError`` where a unit was not judged, or a label is missing.
    """
    sample = {unit: members for unit, members in by_unit(labelled)}
    same = [trajectory for trajectory in judged if trajectory.unit in sample]
    if sorted((t.unit, t.id, t.scores) for t in same) != sorted((t.unit, t.id, t.scores) for t in labelled):
        raise ValueError("people's labels are of other trajectories than the judge's; label the recorded ones")
    by_judge, by_judge_there = leak_losses(judged, grid, loses), leak_losses(same, grid, loses)
    missed = leak_losses(labelled, grid, loses) & ~by_judge_there
    return FewLabels(
        tuple(grid),
        tuple(by_judge.sum(axis=0).tolist()),
        len(by_judge),
        tuple(missed.sum(axis=0).tolist()),
        len(missed),
        seed,
    )


def prediction_powered_bound(
    judged_leaks: int, judged: int, missed: int, labelled: int, confidence: float
) -> float:
    """Return an upper bound on the probability of a true leak, from a judge corrected by people.

    P(leak) = P(judge says leak) + P(leak that the judge misses) - P(false alarm); the first two are bounded
    exactly, the last is given away, so a judge that often cries wolf gains nothing.

    Guarantee:   P(P(leak) <= the bound) >= confidence.
    Assumes:     independent, identically distributed units; people labelled a random sample of them.
    Source:      prediction-powered inference, arXiv 2301.09633, with its rectifier bounded by Clopper-Pearson
                 in place of a normal limit; docs/guarantees.md, theorem 12.
    Verified by: tests/guarantees/test_few_labels.py
    """
    check_confidence(confidence)
    delta = miss_probability(confidence)
    by_judge = _upper(judged_leaks, judged, JUDGED_SHARE * delta)
    return min(1.0, by_judge + _upper(missed, labelled, (1 - JUDGED_SHARE) * delta))


def _upper(count: int, of: int, miss: float) -> float:
    return float(betaincinv(count + 1, of - count, 1 - miss)) if count < of else 1.0


def control_with_few_labels(counts: FewLabels, *, level: float, confidence: float) -> Outcome:
    """Walk from the strictest threshold on while the bound stays within ``level``; certify the last.

    Guarantee:   P(P(the released answer is a true leak) <= level) >= confidence, whatever the judge's errors
                 are and wherever they lie. Only thresholds of the grid up to this one are covered.
    Assumes:     as ``prediction_powered_bound``; a grid fixed before the data.
    Source:      Learn-then-Test, arXiv 2110.01052, on a prediction-powered bound as in arXiv 2412.11174;
                 docs/guarantees.md, theorem 12.
    Verified by: tests/guarantees/test_few_labels.py
    Returns:     ``k`` of ``n``: missed leaks among the labelled units at the threshold.
    """
    check_level(level)
    passed = 0
    for leaks, missed in zip(counts.judged_leaks, counts.missed, strict=True):
        if prediction_powered_bound(leaks, counts.judged, missed, counts.labelled, confidence) > level:
            break
        passed += 1
    if passed == 0:
        return _infeasible(counts, level, confidence)
    last = passed - 1
    return Certified(counts.grid[last], counts.missed[last], counts.labelled, level, confidence)


def _infeasible(counts: FewLabels, level: float, confidence: float) -> Infeasible:
    delta = miss_probability(confidence)
    left = level - _upper(counts.judged_leaks[0], counts.judged, JUDGED_SHARE * delta)
    if left <= 0.0:
        return Infeasible(
            f"the judge calls {counts.judged_leaks[0]} of {counts.judged} units leaks at the strictest threshold, "
            f"too many for level {level:g} whatever people say; label more of them by hand",
            counts.labelled,
            None,
        )
    needed = units_needed(left, 1 - (1 - JUDGED_SHARE) * delta)
    return Infeasible(
        f"people labelled {counts.labelled} units and found {counts.missed[0]} leaks that the judge missed; "
        f"{needed} would do if it missed none",
        counts.labelled,
        needed,
    )
