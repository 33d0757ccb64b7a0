"""Threshold, rounds and strategy chosen together, as cheap as two promises allow. Knows counts, not engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from calibration.fixed_sequence import Constraint, check_grid, leaks_or_crosses, p_values, reached_exactly
from calibration.outcome import Certified, Infeasible, check_confidence, check_level
from calibration.ranks import miss_probability, units_needed
from calibration.replay import by_unit, generations, leaks_if_released, released, within
from calibration.trajectories import Recording, Trajectory

__all__ = [
    "JOINT_GRID",
    "Configuration",
    "JointChoice",
    "Limits",
    "Observed",
    "Passed",
    "Reached",
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


@dataclass(frozen=True, slots=True)
class Limits:
    """The highest probabilities to allow, per unit.

    ``leaks``: a forget prompt gets a leaking answer. ``changed``: a benign prompt's first answer does not go out.
    ``refused``: a forget prompt gets the fallback; without it the cheapest configuration is often a single
    round that refuses.
    """

    leaks: float
    changed: float
    refused: float | None = None

    def __post_init__(self) -> None:
        for level in (self.leaks, self.changed, 0.5 if self.refused is None else self.refused):
            check_level(level)


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """What each unit would have met under each configuration, by replay.

    ``leaks``, ``refused`` and ``generations`` have shape (forget units, configurations), ``changed`` (benign
    units, configurations). Generations are summed over a unit's prompts.
    """

    configurations: tuple[Configuration, ...]
    leaks: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    generations: NDArray[np.int_]

    def of(self, forget: NDArray[np.intp], benign: NDArray[np.intp]) -> Observed:
        """Keep these units, in this order; repetitions are allowed."""
        return Observed(
            self.configurations,
            self.leaks[forget],
            self.refused[forget],
            self.changed[benign],
            self.generations[forget],
        )

    def constraints(self, limits: Limits, order: Sequence[int] | None = None) -> tuple[Constraint, ...]:
        """Count losses per configuration, in the given order: leaks, changed, and refused where it is limited."""
        columns = slice(None) if order is None else list(order)
        wished = [(self.leaks, limits.leaks), (self.changed, limits.changed)]
        if limits.refused is not None:
            wished.append((self.refused, limits.refused))
        return tuple(
            Constraint(tuple(table[:, columns].sum(axis=0).tolist()), len(table), level) for table, level in wished
        )


@dataclass(frozen=True, slots=True)
class Passed:
    """One configuration that passed the test: the promises hold for it, and for all that passed at once.

    Counts are of tested units, generations the mean per tested forget unit.
    """

    configuration: Configuration
    leaks: int
    changed: int
    refused: int
    generations: float


@dataclass(frozen=True, slots=True)
class JointChoice:
    """The cheapest of the configurations that ``passed``, in the order of the test.

    ``outcome`` is the leak promise, over ``outcome.n`` tested forget units; ``benign`` units were tested.
    """

    chosen: Passed
    outcome: Certified
    limits: Limits
    benign: int
    passed: tuple[Passed, ...]


def observe(
    recordings: Mapping[str, Recording],
    *,
    rounds: Sequence[int],
    grid: Sequence[float] = JOINT_GRID,
    cover_subsets: bool = False,
) -> Observed:
    """Replay every recording, one per strategy, at each number of rounds and each threshold.

    ``cover_subsets`` counts cross-talk between topics as leaks, so that topics may later be switched off.
    Raises ``ValueError`` where the recordings are not of the same units, or lack the rounds or a label.
    """
    check_grid(grid)
    _check_alike(recordings, rounds)
    cut = {
        (strategy, count): [within(trajectory, count) for trajectory in recordings[strategy].trajectories]
        for strategy, count in product(recordings, rounds)
    }
    loses = leaks_or_crosses if cover_subsets else leaks_if_released
    columns = [_column(trajectories, threshold, loses) for trajectories in cut.values() for threshold in grid]
    leaks, refused, changed, spent = (np.column_stack([column[part] for column in columns]) for part in range(4))
    configurations = tuple(Configuration(*triple) for triple in product(recordings, rounds, grid))
    return Observed(configurations, leaks.astype(bool), refused.astype(bool), changed.astype(bool), spent)


def _check_alike(recordings: Mapping[str, Recording], rounds: Sequence[int]) -> None:
    if not recordings or not rounds:
        raise ValueError("name at least one recording and one number of rounds")
    units = {tuple(sorted({(t.unit, t.benign) for t in r.trajectories})) for r in recordings.values()}
    if len(units) > 1:
        raise ValueError("the recordings of the strategies must be of the same prompts; record them again")
    most = min(recording.bindings.rounds for recording in recordings.values())
    if min(rounds) < 1 or max(rounds) > most:
        raise ValueError(f"rounds must lie from 1 to the {most} that were recorded")


def _column(
    trajectories: Sequence[Trajectory], threshold: float, loses: Callable[[Trajectory, int | None], bool]
) -> tuple[list[bool], list[bool], list[bool], list[int]]:
    forget = [members for _, members in by_unit(t for t in trajectories if not t.benign)]
    benign = [members for _, members in by_unit(t for t in trajectories if t.benign)]
    leaks = [any(loses(t, released(t, threshold)) for t in members) for members in forget]
    refused = [any(released(t, threshold) is None for t in members) for members in forget]
    changed = [any(released(t, threshold) != 0 for t in members) for members in benign]
    spent = [sum(generations(t, threshold) for t in members) for members in forget]
    return leaks, refused, changed, spent


def choose_jointly(
    observed: Observed,
    limits: Limits,
    *,
    confidence: float,
    seed: int,
    reached: Reached = reached_exactly,
    order_share: float = 1 / 3,
) -> JointChoice | Infeasible:
    """Choose the configuration that costs fewest generations among those that keep all the limits.

    Guarantee:   P(every limited risk is within its limit) >= confidence, for all passed configurations at
                 once, without monotone losses. Only these are covered: operators may not tighten.
    Assumes:     independent, identically distributed forget units, and such benign units; configurations
                 fixed before the data. The order is learned on units that the test does not see.
    Source:      arXiv 2110.01052 (fixed-sequence testing, the largest p-value of several risks) and
                 arXiv 2210.07913 (Pareto Testing: the order runs along the front of p-value and cost);
                 docs/guarantees.md, theorem 10.
    Verified by: tests/guarantees/test_joint.py
    Args:        reached, the engine: ``calibration.ltt.reached_by_mapie``, or the exact test. ``seed`` splits
                 the units, a share ``order_share`` of them for the order.
    """
    check_confidence(confidence)
    check_level(order_share)
    rng = np.random.default_rng(seed)
    forget, benign = (_split(rng, len(table), order_share) for table in (observed.leaks, observed.changed))
    order = pareto_order(observed.of(forget[0], benign[0]), limits)
    testing = observed.of(forget[1], benign[1])
    return passing_in_order(testing, order, limits, confidence=confidence, reached=reached)


def _split(rng: np.random.Generator, n: int, share: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    shuffled = rng.permutation(n)
    first = round(n * share)
    return shuffled[:first], shuffled[first:]


def pareto_order(observed: Observed, limits: Limits) -> tuple[int, ...]:
    """Order configurations from the surest to the cheapest, without those that are beaten in both.

    The p-values only order here, they promise nothing.
    """
    doubt = np.max([p_values(c.losses, c.n, c.level) for c in observed.constraints(limits)], axis=0)
    cost = observed.generations.sum(axis=0)
    front: list[int] = []
    for column in np.lexsort((cost, doubt)).tolist():  # by doubt, then by cost
        if not front or cost[column] < cost[front[-1]]:
            front.append(column)
    return tuple(front)


def passing_in_order(
    observed: Observed,
    order: Sequence[int],
    limits: Limits,
    *,
    confidence: float,
    reached: Reached = reached_exactly,
) -> JointChoice | Infeasible:
    """Test configurations in an order that these units had no part in, and choose among those that pass.

    Guarantee, assumptions and source: as ``choose_jointly``. Verified by: tests/guarantees/test_joint.py
    """
    constraints = observed.constraints(limits, order)
    passed = reached(constraints, miss_probability(confidence))
    if passed == 0:
        return _infeasible(constraints, confidence)
    means = observed.generations.mean(axis=0)
    leaks, refused, changed = (t.sum(axis=0) for t in (observed.leaks, observed.refused, observed.changed))
    tested = tuple(
        Passed(observed.configurations[c], int(leaks[c]), int(changed[c]), int(refused[c]), float(means[c]))
        for c in order[:passed]
    )
    best = min(tested, key=lambda entry: entry.generations)
    n = len(observed.leaks)
    outcome = Certified(best.configuration.threshold, best.leaks, n, limits.leaks, confidence)
    return JointChoice(best, outcome, limits, len(observed.changed), tested)


def _infeasible(constraints: Sequence[Constraint], confidence: float) -> Infeasible:
    kinds = ("forget units leak", "benign units are changed", "forget units are refused")
    for constraint, what in zip(constraints, kinds, strict=False):
        needed = units_needed(constraint.level, confidence)
        if constraint.n < needed:
            return Infeasible(
                f"{constraint.n} {what.split(maxsplit=1)[0]} units are too few beside those that order: {needed} "
                "would do if none of them lost",
                constraint.n,
                needed,
            )
    lost = ", ".join(f"{c.losses[0]} of {c.n} {what}" for c, what in zip(constraints, kinds, strict=False))
    return Infeasible(
        f"at the surest configuration {lost}: too many; a better verifier is needed, or looser limits",
        constraints[0].n,
        None,
    )
