"""A judge's error and people's labels: what is counted, and what it does to the level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import bdtrc

from calibration.few_labels import (
    FewLabels,
    control_with_few_labels,
    count_few_labels,
    prediction_powered_bound,
    units_to_label,
)
from calibration.oracle_error import Audit, audit_released, control_with_judge, sensitivity_low
from calibration.outcome import Certified, Infeasible
from calibration.trajectories import Trajectory

from .samples import prompt


def relabelled(trajectory: Trajectory, *labels: bool | None) -> Trajectory:
    """The same trajectory with other labels."""
    candidates = tuple(
        replace(candidate, leak=leak) for candidate, leak in zip(trajectory.candidates, labels, strict=True)
    )
    return replace(trajectory, candidates=candidates)


def test_the_audit_compares_released_answers_alone() -> None:
    """Found, missed, a false alarm, and one that nobody saw since it was held back."""
    people = [prompt(str(i), (0.1, leak)) for i, leak in enumerate([True, True, False, False])]
    judge = [relabelled(t, j) for t, j in zip(people, [True, False, True, False], strict=True)]
    held = prompt("held", (0.9, True))
    pairs = [*zip(judge, people, strict=True), (relabelled(held, False), held)]
    assert audit_released(pairs, 0.5) == Audit(found=1, leaks=2, alarms=1, clean=2)
    with pytest.raises(ValueError, match="prompt '0': the labels are not of the same trajectory"):
        audit_released([(judge[0], people[1])], 0.5)
    with pytest.raises(ValueError, match="prompt '0': candidate 1 has no label"):
        audit_released([(judge[0], relabelled(people[0], None))], 0.5)


@pytest.mark.parametrize("counts", [(3, 2, 0, 0), (0, 0, 1, 0), (-1, 2, 0, 0)])
def test_an_audit_cannot_find_more_than_there_is(counts: tuple[int, int, int, int]) -> None:
    """A mistake in counting is an error."""
    with pytest.raises(ValueError, match="cannot find more than there is"):
        Audit(*counts)


def test_the_sensitivity_is_bounded_from_below() -> None:
    """All of 58 found: .05^(1/58); none found: nothing shown."""
    assert sensitivity_low(Audit(58, 58), 0.95) == pytest.approx(0.05 ** (1 / 58))
    assert bdtrc(89, 100, sensitivity_low(Audit(90, 100), 0.95)) == pytest.approx(0.05)
    assert sensitivity_low(Audit(0, 5), 0.95) == sensitivity_low(Audit(0, 0), 0.95) == 0.0


def test_the_judge_is_held_to_a_stricter_level_and_half_the_chance() -> None:
    """And the outcome states the promise about true leaks."""
    found = control_with_judge(np.ones(200), Audit(95, 100), level=0.05, confidence=0.9)
    low = sensitivity_low(Audit(95, 100), 0.95)
    assert found.sensitivity == low
    assert found.judged_level == pytest.approx(0.05 * low, abs=1e-6)
    assert found.judged_level <= 0.05 * low
    assert found.judged_confidence == 0.95
    assert found.outcome == Certified(1.0, 4, 200, 0.05, 0.9)


def test_too_few_units_or_no_audited_leaks_are_infeasible() -> None:
    """With what is missing."""
    few = control_with_judge(np.ones(60), Audit(95, 100), level=0.05, confidence=0.95)
    assert isinstance(few.outcome, Infeasible)
    assert few.outcome.reason.startswith("with the judge held to level 0.044")
    blind = control_with_judge(np.ones(10_000), Audit(0, 3), level=0.05, confidence=0.95)
    assert isinstance(blind.outcome, Infeasible)
    assert blind.outcome.reason.startswith("the judge found none of the audited leaks")


def test_missed_leaks_are_counted_per_unit_and_threshold() -> None:
    """A unit in which the judge sees any leak is not missed."""
    people = [
        prompt("1", (0.6, True), (0.2, False), unit="u"),
        prompt("2", (0.6, True), (0.2, True), unit="u"),
        prompt("3", (0.4, True), (0.1, False), unit="v"),
    ]
    judged = [
        relabelled(people[0], False, False),
        relabelled(people[1], True, False),
        relabelled(people[2], False, False),
        prompt("4", (0.1, True), (0.0, True), unit="w"),
    ]
    found = count_few_labels(judged, people, grid=(0.15, 0.3, 0.5, 0.7))
    assert found == FewLabels((0.15, 0.3, 0.5, 0.7), (1, 1, 1, 2), 3, (0, 1, 2, 1), 2)
    with pytest.raises(ValueError, match="of other trajectories than the judge's"):
        count_few_labels(judged[1:], people)


def test_the_bound_adds_what_the_judge_sees_and_what_it_may_miss() -> None:
    """Few labels dominate; people who find missed leaks raise it."""
    bound = prediction_powered_bound(100, 5_000, 0, 200, 0.95)
    assert bound == pytest.approx(0.0258 + 0.0154, abs=3e-4)
    assert prediction_powered_bound(100, 5_000, 3, 200, 0.95) > bound + 0.015
    assert prediction_powered_bound(100, 5_000, 0, 0, 0.95) == 1.0


def test_the_walk_ends_at_the_first_threshold_above_the_level() -> None:
    """One that is fine again after it does not count."""
    counts = FewLabels((0.1, 0.2, 0.3, 0.4), (0, 10, 400, 10), 5_000, (0, 0, 0, 0), 300)
    assert control_with_few_labels(counts, level=0.05, confidence=0.95) == Certified(0.2, 0, 300, 0.05, 0.95)


def test_infeasible_says_whether_labels_or_a_better_verifier_would_help() -> None:
    """Two reasons, and how many labels."""
    few = FewLabels((0.5,), (10,), 5_000, (0,), 50)
    outcome = control_with_few_labels(few, level=0.05, confidence=0.95)
    assert isinstance(outcome, Infeasible)
    assert outcome.needed is not None
    enough = replace(few, labelled=outcome.needed)
    assert isinstance(control_with_few_labels(enough, level=0.05, confidence=0.95), Certified)
    less = replace(few, labelled=outcome.needed - 1)
    assert isinstance(control_with_few_labels(less, level=0.05, confidence=0.95), Infeasible)
    hopeless = control_with_few_labels(replace(few, judged_leaks=(400,)), level=0.05, confidence=0.95)
    assert isinstance(hopeless, Infeasible)
    assert hopeless.needed is None


def test_units_to_label_are_drawn_by_the_seed() -> None:
    """Each unit once, whatever its number of prompts."""
    some = [prompt(f"{u}-{t}", (0.5, None), unit=str(u)) for u in range(50) for t in range(2)]
    drawn = units_to_label(some, 20, seed=1)
    assert len(drawn) == 20
    assert drawn == units_to_label(some[::-1], 20, seed=1) != units_to_label(some, 20, seed=2)
    with pytest.raises(ValueError, match="cannot draw 51 of 50 units"):
        units_to_label(some, 51, seed=1)
