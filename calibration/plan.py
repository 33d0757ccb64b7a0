"""How many prompts a promise takes, and what so many prompts can promise. Knows no scores and no text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scipy.special import bdtr, betaincinv

from calibration.outcome import Infeasible, check_confidence, check_level
from calibration.ranks import confident_rank, exact, expectation_rank, miss_probability, units_needed

__all__ = ["GroupPlan", "Plan", "count_units", "explain_plan", "plan", "promised_level", "units_for_leak_rate"]

MOST_UNITS = 100_000
"""No plan asks for more."""


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What one group has and needs, in units.

    ``needed`` allows for ``Plan.leaks`` units that leak below the threshold; ``likely`` is how many give the
    wished promise with chance ``Plan.chance`` if a unit leaks at rate ``Plan.leak_rate`` (the least that an
    imperfect verifier calls for). ``promises`` is the lowest level that the units at hand can promise with
    that many leaks; 1 where they can promise nothing.
    """

    name: str
    have: int
    needed: int
    likely: int | Infeasible
    promises: float

    @property
    def missing(self) -> int:
        """How many units are still to be written."""
        return max(self.needed - self.have, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """The wish, what each group must meet so that all of them hold at once, and where each group stands."""

    level: float
    confidence: float | None
    oracle_miss: float
    leaks: int
    leak_rate: float
    chance: float
    each_level: float
    each_confidence: float | None
    groups: tuple[GroupPlan, ...]


def count_units(prompts: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Count the different units of each group, from pairs (group, unit)."""
    members: dict[str, set[str]] = {}
    for group, unit in prompts:
        members.setdefault(group, set()).add(unit)
    return {group: len(units) for group, units in sorted(members.items())}


def plan(
    have: Mapping[str, int],
    *,
    level: float,
    confidence: float | None,
    leaks: int = 0,
    leak_rate: float = 0.0,
    chance: float = 0.8,
    oracle_miss: float = 0.0,
) -> Plan:
    """Say how many units every group needs, and what those at hand can promise.

    ``have`` maps each group to its number of units; one entry stands for no groups. With a confidence, delta
    is shared evenly among the groups, as ``calibration.groups`` does. An oracle that misses a share
    ``oracle_miss`` of the leaks calls for level (1 - oracle_miss). Nothing here depends on data, so planning
    spends none of the promise. Verified by: tests/guarantees/test_plan.py
    """
    _check_wish(have, level, leak_rate, chance, oracle_miss)
    each_level = float(exact(level) * (1 - exact(oracle_miss)))
    each = None if confidence is None else float(1 - (1 - exact(confidence)) / len(have))
    needed = units_needed(each_level, each, leaks)
    likely = units_for_leak_rate(each_level, each, leak_rate, chance)
    groups = tuple(
        GroupPlan(name, units, needed, likely, min(1.0, promised_level(units, each, leaks) / (1 - oracle_miss)))
        for name, units in have.items()
    )
    return Plan(level, confidence, oracle_miss, leaks, leak_rate, chance, each_level, each, groups)


def _check_wish(
    have: Mapping[str, int], level: float, leak_rate: float, chance: float, oracle_miss: float
) -> None:
    check_level(level)
    check_confidence(chance)
    if not have:
        raise ValueError("name at least one group to plan for, with how many units it has")
    if min(have.values()) < 0:
        raise ValueError("a group cannot have fewer than 0 units")
    if not 0.0 <= leak_rate < 1.0 or not 0.0 <= oracle_miss < 1.0:
        raise ValueError("the leak rate and the oracle's missed share must lie from 0 to below 1")


def promised_level(n: int, confidence: float | None, leaks: int = 0) -> float:
    """Return the lowest level that n units can promise when ``leaks`` of them leak below the threshold.

    Rounded up to four decimals, so that the promise is kept; 1 where n units promise nothing.

    Guarantee:   with a threshold fixed beforehand and ``leaks`` counted at it, P(risk <= the level) >=
                 confidence: this is the one-sided Clopper-Pearson bound.
    Assumes:     independent, identically distributed units.
    Verified by: tests/guarantees/test_plan.py
    """
    if leaks >= n:
        return 1.0
    if confidence is None:
        value = (leaks + 1) / (n + 1)
    else:
        check_confidence(confidence)
        value = float(betaincinv(leaks + 1, n - leaks, 1 - miss_probability(confidence)))
    step = math.floor(value * 10_000)
    while step < 10_000 and not _holds(n, step / 10_000, confidence, leaks):
        step += 1
    return step / 10_000


def _holds(n: int, level: float, confidence: float | None, leaks: int) -> bool:
    if level <= 0.0:
        return False
    return _rank(n, level, confidence) > leaks


def _rank(n: int, level: float, confidence: float | None) -> int:
    return expectation_rank(n, level) if confidence is None else confident_rank(n, level, confidence)


def units_for_leak_rate(
    level: float, confidence: float | None, leak_rate: float, chance: float
) -> int | Infeasible:
    """Return how many units give the promise with probability ``chance``, if units leak at ``leak_rate``.

    ``leak_rate`` is the assumed true share of units that leak below the threshold one would like to serve.
    From that n on the chance does not fall below ``chance`` again before the next leak is allowed for.

    Guarantee:   P(the certified threshold is at least the wished one) >= chance.
    Assumes:     independent units that leak below the wished threshold with probability leak_rate at most.
    Verified by: tests/guarantees/test_plan.py
    """
    if leak_rate == 0.0:
        return units_needed(level, confidence)
    if leak_rate >= level:
        return Infeasible(
            f"a leak rate of {leak_rate:g} is not below level {level:g}, so no number of units would do", 0, None
        )
    allowed = 0
    n = units_needed(level, confidence)
    while n <= MOST_UNITS:
        next_n = units_needed(level, confidence, allowed + 1)
        if float(bdtr(allowed, next_n - 1, leak_rate)) >= chance:
            return n
        allowed, n = allowed + 1, next_n
    return Infeasible(f"more than {MOST_UNITS:,} units would be needed", 0, None)


def explain_plan(found: Plan) -> str:
    """Say the plan in words, one line for the wish and two for each group."""
    return "\n".join([_wish(found), *(line for group in found.groups for line in _group(found, group))])


def _wish(found: Plan) -> str:
    sure = "on average over calibrations"
    if found.confidence is not None:
        sure = f"with confidence {_percent(found.confidence)}"
    many = len(found.groups)
    whom = f", in each of {many} groups at once" if many > 1 else ""
    missed = f"; the oracle misses up to {_percent(found.oracle_miss)} of the leaks" if found.oracle_miss else ""
    return f"To promise at most {_percent(found.level)} leaks {sure}{whom}{missed}:"


def _group(found: Plan, group: GroupPlan) -> tuple[str, str]:
    stands = "enough" if group.missing == 0 else f"{group.missing} more to write"
    leaking = f"if {found.leaks} of them leak below the threshold" if found.leaks else "if none of them leaks"
    first = f"  {group.name}: has {group.have} units, needs {group.needed} {leaking}: {stands}."
    promises = "nothing yet" if group.promises >= 1.0 else f"{_percent(group.promises)} at best"
    if found.leak_rate == 0.0:
        return first, f"    What it has can promise {promises}."
    if isinstance(group.likely, Infeasible):
        return first, f"    What it has can promise {promises}; {group.likely.reason}."
    return first, (
        f"    What it has can promise {promises}; where {_percent(found.leak_rate)} of units leak below the "
        f"wished threshold, {group.likely} units reach it with a chance of {_percent(found.chance)}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
