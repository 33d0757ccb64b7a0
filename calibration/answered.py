"""What a threshold costs and what its answers are worth, by replay. Knows no certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scipy.special import betaincinv

from calibration.fixed_sequence import check_grid, p_values
from calibration.outcome import Certified, Infeasible, Outcome, check_confidence, check_level
from calibration.ranks import exact, miss_probability, units_needed
from calibration.release import Surrender
from calibration.replay import by_unit, generations, generations_always, leaks_at, released
from calibration.trajectories import Recording, Trajectory

__all__ = [
    "ANSWERED_GRID",
    "Figures",
    "Generations",
    "Rate",
    "clopper_pearson",
    "control_given_answered",
    "control_leak_given_answered",
    "figures_at",
    "rate",
]

ANSWERED_GRID: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Ten thresholds fixed before any data is seen: Bonferroni pays for each."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``count`` out of ``of``, with its 95 % Clopper-Pearson interval ([0, 1] out of nothing)."""

    count: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Count divided by ``of``; 0 out of nothing."""
        return self.count / self.of if self.of else 0.0


@dataclass(frozen=True, slots=True)
class Generations:
    """Mean generations per prompt under the rule, and if the loop always ran its whole budget."""

    mean: float
    always: float
    prompts: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the calibration prompts would have met at ``threshold``.

    Rates count units: a unit leaks, or is answered, if any of its prompts is; a benign unit is unchanged if
    the first candidate of every one of its prompts goes out. The threshold was chosen on the same prompts, so
    the intervals describe them and promise nothing (their coverage is measured in docs/guarantees.md).
    """

    threshold: float
    leak_rate: Rate
    answer_rate: Rate
    leak_given_answered: Rate
    benign_unchanged: Rate
    forget_generations: Generations
    benign_generations: Generations


def clopper_pearson(count: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact binomial interval: each side misses with probability (1 - confidence) / 2 at most."""
    tail = miss_probability(confidence) / 2
    low = float(betaincinv(count, of - count + 1, tail)) if count > 0 else 0.0
    high = float(betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return low, high


def rate(count: int, of: int) -> Rate:
    """Count ``count`` out of ``of`` with its 95 % interval."""
    return Rate(count, of, *clopper_pearson(count, of))


def figures_at(recording: Recording, threshold: float, surrender: Surrender | None = None) -> Figures:
    """Replay every trajectory at a threshold, giving up where ``surrender`` says so.

    Raises ``ValueError`` naming the prompt where a released candidate of a forget prompt has no label.
    """
    forget, benign = recording.forget, recording.benign
    answered = _count_units(forget, lambda prompt: released(prompt, threshold, surrender) is not None, any)
    leaked = _count_units(forget, lambda prompt: leaks_at(prompt, threshold, surrender), any)
    unchanged = _count_units(benign, lambda prompt: released(prompt, threshold) == 0, all)
    forget_units, benign_units = _units(forget), _units(benign)
    return Figures(
        threshold=threshold,
        leak_rate=rate(leaked, forget_units),
        answer_rate=rate(answered, forget_units),
        leak_given_answered=rate(leaked, answered),
        benign_unchanged=rate(unchanged, benign_units),
        forget_generations=_generations(forget, threshold, surrender),
        benign_generations=_generations(benign, threshold, surrender),
    )


def _units(trajectories: Iterable[Trajectory]) -> int:
    return len({trajectory.unit for trajectory in trajectories})


def _count_units(
    trajectories: Iterable[Trajectory],
    holds: Callable[[Trajectory], bool],
    over: Callable[[Iterable[object]], bool],
) -> int:
    return sum(over(map(holds, members)) for _, members in by_unit(trajectories))


def _generations(trajectories: Sequence[Trajectory], threshold: float, surrender: Surrender | None) -> Generations:
    prompts = len(trajectories)
    under_rule = sum(generations(trajectory, threshold, surrender) for trajectory in trajectories)
    always = sum(map(generations_always, trajectories))
    return Generations(under_rule / max(prompts, 1), always / max(prompts, 1), prompts)


def control_leak_given_answered(
    trajectories: Sequence[Trajectory],
    *,
    level: float,
    confidence: float,
    grid: Sequence[float] = ANSWERED_GRID,
) -> Outcome:
    """Choose the loosest threshold of the grid at which leaks among the *answered* are certified rare.

    Guarantee:   P(P(leak | answered) <= level at the threshold) >= confidence. Only thresholds of the grid
                 are covered, and only at the recorded budget of rounds.
    Assumes:     independent, identically distributed units, recorded without stopping; a grid fixed before
                 the data.
    Source:      docs/guarantees.md, theorem 4 (exact binomial tests given the number answered, Bonferroni).
    Verified by: tests/guarantees/test_answered.py
    Args:        trajectories of forget prompts; a unit is answered, or leaks, if any of its prompts is. In
                 the result ``n`` counts the answered units at the threshold and ``k`` the leaks among them.
    """
    answered = _per_threshold(trajectories, lambda prompt, t: released(prompt, t) is not None, grid)
    leaks = _per_threshold(trajectories, leaks_at, grid)
    return control_given_answered(leaks, answered, grid, level=level, confidence=confidence)


def _per_threshold(
    trajectories: Sequence[Trajectory], holds: Callable[[Trajectory, float], bool], grid: Sequence[float]
) -> list[int]:
    counts = [0] * len(grid)
    for _, members in by_unit(trajectories):
        for column, threshold in enumerate(grid):
            counts[column] += any(holds(member, threshold) for member in members)
    return counts


def control_given_answered(
    leaks: Sequence[int], answered: Sequence[int], grid: Sequence[float], *, level: float, confidence: float
) -> Outcome:
    """Choose as ``control_leak_given_answered`` does, from counts: units leaking and units answered per threshold.

    Guarantee, assumptions and source: as there. Verified by: tests/guarantees/test_answered.py
    """
    check_level(level)
    check_confidence(confidence)
    check_grid(grid)
    each = miss_probability(confidence) / len(grid)
    for column in reversed(range(len(grid))):
        n, k = int(answered[column]), int(leaks[column])
        if n and float(p_values([k], n, level)[0]) <= each:
            return Certified(float(grid[column]), k, n, level, confidence)
    needed = units_needed(level, float(1 - (1 - exact(confidence)) / len(grid)))
    most = max(answered)
    reason = f"at most {most} units are answered at any threshold of the grid"
    if most >= needed:
        return Infeasible(f"{reason}, and too many of them leak for level {level:g}", most, None)
    return Infeasible(f"{reason}; {needed} answered units would do if none of them leaked", most, needed)
