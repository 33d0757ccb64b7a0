"""Threshold, rounds and strategy chosen together, as cheap as two promises allow. Knows counts, not engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from calibration.fixed_sequence import Constraint, check_grid, p_values, reached_exactly
from calibration.outcome import Certified, Infeasible, check_confidence, check_level
from calibration.ranks import miss_probability, units_needed
from calibration.replay import by_unit, generations, leaks_at, released, within
from calibration.trajectories import Recording, Trajectory

__all__ = [
    "JOINT_GRID",
    "Configuration",
    "JointChoice",
    "Observed",
    "Reached",
    "Tested",
    "choose_jointly",
    "observe",
    "pareto_order",
    "passing_in_order",
]

JOINT_GRID: tuple[float, ...] = tuple(step / 20 for step in range(1, 21))
"""Thresholds fixed before any data is seen."""

Reached = Callable[[Sequence[Constraint], float], int]
"""An engine: how many candidates, in order, are rejected in all constraints before the first that is not."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """How serving would be set up; ``strategy`` names one of the recordings."""

    strategy: str
    rounds: int
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What each unit would have met under each configuration, by replay.

    ``leaks`` and ``generations`` have shape (forget units, configurations), ``changed`` (benign units,
    configurations). Generations are summed over a unit's prompts.
    """

    configurations: tuple[Configuration, ...]
    leaks: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    generations: NDArray[np.int_]

    def of(self, forget: NDArray[np.intp], benign: NDArray[np.intp]) -> Observed:
        """Keep these units, in this order; repetitions are allowed."""
        return Observed(self.configurations, self.leaks[forget], self.changed[benign], self.generations[forget])

    def constraints(
        self, level: float, most_changed: float, order: Sequence[int] | None = None
    ) -> tuple[Constraint, Constraint]:
        """Count losses per configuration, in the given order."""
        columns = slice(None) if order is None else list(order)
        leaks = self.leaks[:, columns].sum(axis=0).tolist()
        changed = self.changed[:, columns].sum(axis=0).tolist()
        return (
            Constraint(tuple(leaks), len(self.leaks), level),
            Constraint(tuple(changed), len(self.changed), most_changed),
        )


@dataclass(frozen=True, slots=True)
class Tested:
    """One configuration that passed the test: both promises hold for it, and for all that passed at once."""

    configuration: Configuration
    leaks: int
    changed: int
    generations: float


@dataclass(frozen=True, slots=True)
class JointChoice:
    """The cheapest of the ``passed`` configurations; each of them keeps both promises at once.

    ``outcome`` is the leak promise (leaks among the tested forget units), ``changed`` of ``benign`` tested
    units lost their first answer, at most ``most_changed`` will. ``generations`` is the mean per forget unit
    of the test.
    """

    configuration: Configuration
    outcome: Certified
    most_changed: float
    changed: int
    benign: int
    generations: float
    passed: tuple[Tested, ...]


def observe(
    recordings: Mapping[str, Recording],
    *,
    rounds: Sequence[int],
    grid: Sequence[float] = JOINT_GRID,
) -> Observed:
    """Replay every recording, one per strategy, at each number of rounds and each threshold.

    Raises ``ValueError`` where the recordings are not of the same units, or lack the rounds or a label.
    """
    check_grid(grid)
    _check_alike(recordings, rounds)
    cut = {
        (strategy, count): [within(trajectory, count) for trajectory in recordings[strategy].trajectories]
        for strategy, count in product(recordings, rounds)
    }
    columns = [_column(trajectories, threshold) for trajectories in cut.values() for threshold in grid]
    leaks, changed, spent = (np.column_stack([column[part] for column in columns]) for part in range(3))
    configurations = tuple(Configuration(*triple) for triple in product(recordings, rounds, grid))
    return Observed(configurations, leaks.astype(bool), changed.astype(bool), spent)


def _check_alike(recordings: Mapping[str, Recording], rounds: Sequence[int]) -> None:
    if not recordings or not rounds:
        raise ValueError("name at least one recording and one number of rounds")
    units = {tuple(sorted({(t.unit, t.benign) for t in r.trajectories})) for r in recordings.values()}
    if len(units) > 1:
        raise ValueError("the recordings of the strategies must be of the same prompts; record them again")
    most = min(recording.bindings.rounds for recording in recordings.values())
    if min(rounds) < 1 or max(rounds) > most:
        raise ValueError(f"rounds must lie from 1 to the {most} that were recorded")


def _column(trajectories: Sequence[Trajectory], threshold: float) -> tuple[list[bool], list[bool], list[int]]:
    forget = [members for _, members in by_unit(t for t in trajectories if not t.benign)]
    benign = [members for _, members in by_unit(t for t in trajectories if t.benign)]
    leaks = [any(leaks_at(t, threshold) for t in members) for members in forget]
    changed = [any(released(t, threshold) != 0 for t in members) for members in benign]
    spent = [sum(generations(t, threshold) for t in members) for members in forget]
    return leaks, changed, spent


def choose_jointly(
    observed: Observed,
    *,
    level: float,
    most_changed: float,
    confidence: float,
    seed: int,
    reached: Reached = reached_exactly,
    order_share: float = 1 / 3,
) -> JointChoice | Infeasible:
    """Choose the configuration that costs fewest generations among those that keep both promises.

    Guarantee:   P(risk of a leak <= level and risk that a benign answer is changed <= most_changed) >=
                 confidence, for all passed configurations at once, without monotone losses. Only these are
                 covered: operators may not tighten.
    Assumes:     independent, identically distributed forget units, and such benign units; configurations
                 fixed before the data. The order is learned on units that the test does not see.
    Source:      arXiv 2110.01052 (fixed-sequence testing, the largest p-value of several risks) and
                 arXiv 2210.07913 (Pareto Testing: the order runs along the front of p-value and cost).
    Verified by: tests/guarantees/test_joint.py
    Args:        reached, the engine: ``calibration.ltt.reached_by_mapie``, or the exact test. ``seed`` splits
                 the units, a share ``order_share`` of them for the order.
    """
    check_level(level)
    check_level(most_changed)
    check_confidence(confidence)
    check_level(order_share)
    rng = np.random.default_rng(seed)
    forget, benign = (_split(rng, len(table), order_share) for table in (observed.leaks, observed.changed))
    order = pareto_order(observed.of(forget[0], benign[0]), level=level, most_changed=most_changed)
    return passing_in_order(
        observed.of(forget[1], benign[1]),
        order,
        level=level,
        most_changed=most_changed,
        confidence=confidence,
        reached=reached,
    )


def _split(rng: np.random.Generator, n: int, share: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    shuffled = rng.permutation(n)
    first = round(n * share)
    return shuffled[:first], shuffled[first:]


def pareto_order(observed: Observed, *, level: float, most_changed: float) -> tuple[int, ...]:
    """Order configurations from the surest to the cheapest, without those that are beaten in both.

    The p-values only order here, they promise nothing.
    """
    per_constraint = [p_values(c.losses, c.n, c.level) for c in observed.constraints(level, most_changed)]
    doubt = np.max(per_constraint, axis=0)
    cost = observed.generations.sum(axis=0)
    front: list[int] = []
    for column in np.lexsort((cost, doubt)).tolist():  # by doubt, then by cost
        if not front or cost[column] < cost[front[-1]]:
            front.append(column)
    return tuple(front)


def passing_in_order(
    observed: Observed,
    order: Sequence[int],
    *,
    level: float,
    most_changed: float,
    confidence: float,
    reached: Reached = reached_exactly,
) -> JointChoice | Infeasible:
    """Test configurations in an order that these units had no part in, and choose among those that pass.

    Guarantee, assumptions and source: as ``choose_jointly``. Verified by: tests/guarantees/test_joint.py
    """
    leaks, changed = observed.constraints(level, most_changed, order)
    passed = reached([leaks, changed], miss_probability(confidence))
    if passed == 0:
        return _infeasible(leaks, changed, confidence)
    means = observed.generations.mean(axis=0)
    tested = tuple(
        Tested(observed.configurations[c], leaks.losses[i], changed.losses[i], float(means[c]))
        for i, c in enumerate(order[:passed])
    )
    best = min(tested, key=lambda entry: entry.generations)
    outcome = Certified(best.configuration.threshold, best.leaks, leaks.n, level, confidence)
    return JointChoice(
        best.configuration, outcome, most_changed, best.changed, changed.n, best.generations, tested
    )


def _infeasible(leaks: Constraint, changed: Constraint, confidence: float) -> Infeasible:
    for constraint, what in ((leaks, "forget"), (changed, "benign")):
        needed = units_needed(constraint.level, confidence)
        if constraint.n < needed:
            return Infeasible(
                f"{constraint.n} {what} units are too few beside those that order: {needed} would do if none "
                "of them lost",
                constraint.n,
                needed,
            )
    return Infeasible(
        f"at the surest configuration {leaks.losses[0]} of {leaks.n} forget units leak and {changed.losses[0]} "
        f"of {changed.n} benign ones are changed: too many; a better verifier is needed, or looser wishes",
        leaks.n,
        None,
    )
