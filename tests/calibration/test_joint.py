"""Choosing threshold, rounds and strategy together, on counts that can be followed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calibration.fixed_sequence import Constraint, reached_exactly
from calibration.joint import (
    Configuration,
    JointChoice,
    Limits,
    Observed,
    Passed,
    choose_jointly,
    observe,
    pareto_order,
    passing_in_order,
)
from calibration.ltt import reached_by_mapie
from calibration.outcome import Certified, Infeasible
from calibration.replay import within
from calibration.trajectories import Candidate, Recording, Trajectory

from .samples import BINDINGS, prompt, recording


def counted(leaks: list[int], changed: list[int], cost: list[int], n: int = 100, refused: int = 0) -> Observed:
    """So many of ``n`` units lose at each configuration."""
    units = np.arange(n)[:, None]
    return Observed(
        tuple(Configuration("s", 1, (c + 1) / 10) for c in range(len(leaks))),
        units < np.array(leaks),
        np.tile(units < refused, (1, len(leaks))),
        units < np.array(changed),
        np.tile(np.array(cost), (n, 1)),
    )


@pytest.mark.parametrize("reached", [reached_exactly, reached_by_mapie])
def test_the_first_that_fails_either_promise_ends_the_walk(reached: object) -> None:
    """Both engines; one that passes after it does not count."""
    leaks = Constraint((0, 5, 0, 0), 100, 0.05)
    changed = Constraint((0, 0, 9, 0), 100, 0.1)
    assert reached([leaks], 0.05) == 1  # type: ignore[operator]
    assert reached([Constraint((0, 0, 0, 0), 100, 0.05), changed], 0.05) == 2  # type: ignore[operator]
    assert reached([Constraint((5, 0, 0, 0), 100, 0.05), changed], 0.05) == 0  # type: ignore[operator]
    assert reached([Constraint((0, 0), 0, 0.05)], 0.05) == 0  # type: ignore[operator]


def test_the_order_runs_from_the_surest_to_the_cheapest() -> None:
    """Without what is beaten: dearer and no surer."""
    observed = counted(leaks=[0, 0, 3, 2, 9], changed=[0] * 5, cost=[50, 40, 30, 45, 10])
    assert pareto_order(observed, Limits(0.1, 0.1)) == (1, 2, 4)
    observed = counted(leaks=[0, 1, 2], changed=[0] * 3, cost=[5, 5, 4])
    assert pareto_order(observed, Limits(0.1, 0.1)) == (0, 2)
    observed = counted(leaks=[0, 0], changed=[9, 0], cost=[1, 2])
    assert pareto_order(observed, Limits(0.1, 0.1)) == (1, 0)


def test_the_cheapest_that_passes_is_chosen() -> None:
    """With what it was tested on, and all else that passed."""
    observed = counted(leaks=[0, 1, 30], changed=[0, 2, 2], cost=[5, 4, 1])
    found = passing_in_order(observed, (0, 1, 2), Limits(0.1, 0.1), confidence=0.95)
    assert isinstance(found, JointChoice)
    assert found.chosen == Passed(Configuration("s", 1, 0.2), 1, 2, 0, 4.0)
    assert found.outcome == Certified(0.2, 1, 100, 0.1, 0.95)
    assert (found.benign, len(found.passed)) == (100, 2)


def test_refusing_is_limited_where_it_was_asked() -> None:
    """The cheapest round refuses eight in ten: fine for the other limits, not for this one."""
    observed = counted(leaks=[0], changed=[0], cost=[1], refused=80)
    for refused, passes in ((None, True), (0.9, True), (0.5, False)):
        found = passing_in_order(observed, (0,), Limits(0.1, 0.1, refused), confidence=0.95)
        assert isinstance(found, JointChoice) == passes
    assert isinstance(found, Infeasible)
    assert "80 of 100 forget units are refused: too many" in found.reason


def test_too_few_units_or_too_many_losses_are_infeasible() -> None:
    """With the kind of unit that is lacking."""
    few = choose_jointly(counted([0], [0], [1], n=30), Limits(0.1, 0.1), confidence=0.95, seed=0)
    assert isinstance(few, Infeasible)
    assert few.reason.startswith("20 forget units are too few beside those that order: 29 would do")
    changed = choose_jointly(counted([0], [99], [1]), Limits(0.1, 0.1), confidence=0.95, seed=0)
    assert isinstance(changed, Infeasible)
    assert changed.reason.startswith("at the surest configuration 0 of 67 forget units leak, 6")


def test_observing_replays_each_strategy_at_each_number_of_rounds() -> None:
    """Shapes, order, and the losses of units of two prompts."""
    first = (
        prompt("1", (0.9, True), (0.2, False), unit="u"),
        prompt("2", (0.4, True), (0.1, False), unit="u"),
        prompt("b", (0.3, None), (0.0, None), benign=True),
    )
    other = (*first[:1], prompt("2", (0.4, False), (0.1, True), unit="u"), *first[2:])
    found = observe(
        {"revise": Recording(BINDINGS, first), "unaware": Recording(BINDINGS, other)},
        rounds=(1, 2),
        grid=(0.3, 0.5),
    )
    assert found.configurations[:3] == (
        Configuration("revise", 1, 0.3),
        Configuration("revise", 1, 0.5),
        Configuration("revise", 2, 0.3),
    )
    assert found.leaks.tolist() == [[False, True, False, True, False, False, True, False]]
    assert found.refused.tolist() == [[True, True, False, False, True, True, False, False]]
    assert found.changed.tolist() == [[True, False, True, False, True, False, True, False]]
    assert found.generations.tolist() == [[2, 2, 4, 3, 2, 2, 4, 3]]


def test_cross_talk_counts_where_subsets_are_to_be_covered() -> None:
    """Evidence about another topic, met before the release."""
    crossed = Trajectory(
        "q", (Candidate(0, 0.9, ("b",), leak=False), Candidate(1, 0.1, ("a",), leak=False)), topic="a"
    )
    recordings = {"s": Recording(BINDINGS, (crossed, prompt("b", (0.0, None), benign=True)))}
    found = [observe(recordings, rounds=(2,), grid=(0.5,), cover_subsets=c).leaks.tolist() for c in (True, False)]
    assert found == [[[True]], [[False]]]


def test_recordings_of_other_prompts_or_too_few_rounds_are_refused() -> None:
    """Before anything is counted."""
    with pytest.raises(ValueError, match="must be of the same prompts"):
        observe({"a": recording(), "b": recording(forget=3)}, rounds=(1,))
    with pytest.raises(ValueError, match="from 1 to the 3 that were recorded"):
        observe({"a": recording()}, rounds=(4,))
    with pytest.raises(ValueError, match="at least one recording"):
        observe({}, rounds=(1,))


def test_the_seed_alone_decides_the_split() -> None:
    """The same choice at the same seed, by either engine."""
    observed = observe({"a": recording(300, 100), "b": recording(300, 100, seed=1)}, rounds=(1, 2, 3))
    limits = Limits(0.1, 0.1, 0.5)
    exact = choose_jointly(observed, limits, confidence=0.95, seed=3)
    assert isinstance(exact, JointChoice)
    assert exact == choose_jointly(observed, limits, confidence=0.95, seed=3)
    by_mapie = choose_jointly(observed, limits, confidence=0.95, seed=3, reached=reached_by_mapie)
    assert isinstance(by_mapie, JointChoice)
    assert set(by_mapie.passed) <= set(exact.passed)


def test_a_smaller_budget_cuts_the_trajectory() -> None:
    """And what ended it after the cut did not happen."""
    ended = replace(prompt("q", (0.9, True), (0.2, False)), ended="abstained")
    assert [len(within(ended, rounds).candidates) for rounds in (1, 2, 3)] == [1, 2, 2]
    assert [within(ended, rounds).ended for rounds in (1, 2, 3)] == [None, None, "abstained"]
