"""Thresholds per group, and the iteration budget, on cases counted by hand."""

from __future__ import annotations

import math

import pytest

from calibration.budget import Budget, calibrated_budget, compare_budget, first_pass_round
from calibration.groups import (
    control_every_group,
    control_groups,
    group_keys,
    group_of,
    group_record_lows,
)
from calibration.outcome import Certified, Infeasible
from calibration.trajectories import Candidate, Trajectory

from .samples import prompt, recording


def test_the_strictest_group_decides() -> None:
    """Each group has its own k-th smallest record low."""
    lows = {"easy": [0.8] * 9, "hard": [0.3] * 9}
    assert control_every_group("family", lows, level=0.1, confidence=None) == Certified(0.3, 1, 9, 0.1, None)


def test_a_group_with_too_few_units_makes_all_infeasible_and_is_named() -> None:
    """A small group is not hidden in a large one."""
    lows = {"large": [0.8] * 100, "small": [0.8] * 8}
    outcome = control_every_group("family", lows, level=0.1, confidence=None)
    assert isinstance(outcome, Infeasible)
    assert outcome.reason.startswith("family 'small': 8 units are too few")
    assert (outcome.n, outcome.needed) == (108, 9)


def test_groups_share_the_chance_of_a_miss() -> None:
    """Two groups at 95 % are two at 97.5 %: 36 units each, where one alone needs 29."""
    for n, feasible in ((35, False), (36, True)):
        found = control_groups("g", {"x": [1.0] * n, "y": [1.0] * n}, level=0.1, confidence=0.95)
        assert [isinstance(group.outcome, Certified) for group in found] == [feasible] * 2
    (alone,) = control_groups("g", {"x": [1.0] * 29}, level=0.1, confidence=0.95)
    assert alone.outcome == Certified(1.0, 1, 29, 0.1, 0.95)


def test_no_groups_are_infeasible() -> None:
    """Nothing to group, nothing to promise."""
    assert control_every_group("g", {}, level=0.1, confidence=None) == Infeasible(
        "there are no prompts to group", 0, None
    )


def test_the_keys_are_those_that_every_prompt_has() -> None:
    """``topic`` among them where every prompt says its topic."""
    forget = recording().forget
    assert group_keys(forget) == ("family", "topic")
    assert group_keys([*forget, prompt("q")]) == ()
    assert group_keys([]) == ()


def test_a_prompt_without_the_key_is_named() -> None:
    """So that it can be mended."""
    with pytest.raises(ValueError, match="prompt 'q' says no 'family'"):
        group_of(prompt("q"), "family")


def test_a_unit_counts_in_each_group_of_its_prompts() -> None:
    """With the lowest of its prompts in that group."""
    prompts = [
        prompt("1", (0.7, True), unit="u", groups={"f": "x"}),
        prompt("2", (0.4, True), unit="u", groups={"f": "y"}),
        prompt("3", (0.6, True), unit="u", groups={"f": "x"}),
    ]
    lows = {name: values.tolist() for name, values in group_record_lows(prompts, "f").items()}
    assert lows == {"x": [0.6], "y": [0.4]}


def test_the_budget_is_the_rank_from_below() -> None:
    """ceil(20 * .95) = 19th of 19; ceil(20 * .8) = 16th."""
    rounds = list(range(1, 20))
    assert calibrated_budget(rounds, 0.05) == Budget(19, 19, 19, 0.05, None)
    assert calibrated_budget(rounds, 0.2) == Budget(16, 16, 19, 0.2, None)


def test_the_confident_budget_needs_as_many_prompts_as_the_certificate() -> None:
    """59 at 5 % and 95 %."""
    assert calibrated_budget([2.0] * 59, 0.05, 0.95) == Budget(2, 59, 59, 0.05, 0.95)
    assert calibrated_budget([2.0] * 58, 0.05, 0.95) == Infeasible(
        "58 prompts are too few: 59 would do if the verifier passed on all", 58, 59
    )


def test_a_verifier_that_never_passes_too_often_has_no_budget() -> None:
    """Infinity is handled, not returned."""
    assert calibrated_budget([math.inf] + [1.0] * 18, 0.05) == Infeasible(
        "the verifier never passed on 1 of 19 prompts, at most 0 may", 19, None
    )
    assert calibrated_budget([math.inf] + [1.0] * 18, 0.1) == Budget(1, 18, 19, 0.1, None)


@pytest.mark.parametrize("bad", [0.0, math.nan])
def test_rounds_count_from_one(bad: float) -> None:
    """Zero and NaN are mistakes."""
    with pytest.raises(ValueError, match="first-pass rounds count from 1"):
        calibrated_budget([1.0, bad], 0.5)


def test_the_first_pass_is_counted_in_rounds_not_candidates() -> None:
    """Two candidates per round, rounds numbered from anywhere."""
    walked = Trajectory("q", tuple(Candidate(t, s) for t, s in [(1, 0.9), (1, 0.8), (2, 0.7), (2, 0.1)]))
    assert [first_pass_round(walked, t) for t in (0.85, 0.2, 0.05)] == [1.0, 2.0, math.inf]


def test_the_budget_is_compared_with_running_every_round_at_equal_leaks() -> None:
    """One answered at once, one in round 2 with a leak, one in round 3, one never."""
    walked = [
        prompt("1", (0.1, False), (0.1, False), (0.1, False)),
        prompt("2", (0.9, True), (0.1, True), (0.1, True)),
        prompt("3", (0.9, True), (0.9, True), (0.1, False)),
        prompt("4", (0.9, True), (0.9, True), (0.9, True)),
    ]
    always, stopping, budgeted = compare_budget(walked, 0.2, Budget(2, 3, 4, 0.5, None))
    assert [f.generations for f in (always, stopping, budgeted)] == [3.0, 9 / 4, 7 / 4]
    assert [(f.leak_rate.count, f.answer_rate.count) for f in (always, stopping, budgeted)] == [
        (1, 3),
        (1, 3),
        (1, 2),
    ]
    assert budgeted.way == "stopping, 2 rounds at most"
