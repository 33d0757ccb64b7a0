"""Record lows and the thresholds taken from them; the proof, checked by enumeration."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.outcome import Certified, Infeasible
from calibration.record_low import (
    control_leak_risk,
    control_leak_risk_confident,
    covering_record_low,
    lowest_leak,
    plain_record_low,
    record_low,
    unit_record_lows,
)
from calibration.release import first_released
from calibration.trajectories import Candidate, Trajectory

from .samples import prompt

UNIT = st.floats(0.0, 1.0)
SEQUENCES = st.lists(st.tuples(UNIT, st.booleans()), max_size=6)


def leaks(scores: list[float], labels: list[bool], threshold: float) -> bool:
    """Say whether the released answer leaks."""
    position = first_released(scores, threshold)
    return position is not None and labels[position]


def test_every_small_case_leaks_only_above_its_record_low() -> None:
    """All 4-round trajectories on five scores, at every threshold and between: a released leak implies R < t."""
    steps = [0.0, 0.25, 0.5, 0.75, 1.0]
    cuts = [step / 8 for step in range(10)]
    for scores in product(steps, repeat=4):
        for labels in product([False, True], repeat=4):
            low = record_low(scores, labels)
            leaking = [cut for cut in cuts if leaks(list(scores), list(labels), cut)]
            assert all(low < cut for cut in leaking)


@given(SEQUENCES, UNIT)
def test_a_released_leak_implies_a_record_low_below_the_threshold(
    pairs: list[tuple[float, bool]], threshold: float
) -> None:
    """The first step of the proof, on arbitrary scores."""
    scores, labels = [s for s, _ in pairs], [y for _, y in pairs]
    if leaks(scores, labels, threshold):
        assert record_low(scores, labels) < threshold


@given(SEQUENCES)
def test_the_record_low_is_not_lower_than_it_must_be(pairs: list[tuple[float, bool]]) -> None:
    """Just above a finite record low a leak does go out, so no larger statistic would do."""
    scores, labels = [s for s, _ in pairs], [y for _, y in pairs]
    low = record_low(scores, labels)
    if low < math.inf:
        assert leaks(scores, labels, math.nextafter(low, 2.0))


@given(SEQUENCES, st.integers(0, 6))
def test_fewer_rounds_never_lower_the_record_low(pairs: list[tuple[float, bool]], rounds: int) -> None:
    """Why every smaller budget is covered."""
    scores, labels = [s for s, _ in pairs], [y for _, y in pairs]
    assert record_low(scores[:rounds], labels[:rounds]) >= record_low(scores, labels)


@given(SEQUENCES)
def test_the_lowest_leak_is_never_above_the_record_low(pairs: list[tuple[float, bool]]) -> None:
    """W is the more careful statistic."""
    scores, labels = [s for s, _ in pairs], [y for _, y in pairs]
    assert lowest_leak(scores, labels) <= record_low(scores, labels)


def test_at_most_k_of_n_plus_one_fall_below_the_threshold_that_the_others_give() -> None:
    """The second step of the proof, for every multiset of 10 record lows on four values, level .1 to .4."""
    for values in combinations_with_replacement([0.25, 0.5, 0.75, math.inf], 10):
        for level in (0.1, 0.25, 0.4):
            below = 0
            for left_out in range(10):
                others = values[:left_out] + values[left_out + 1 :]
                outcome = control_leak_risk(others, level=level)
                below += isinstance(outcome, Certified) and values[left_out] < outcome.threshold
            assert below / 10 <= level


def test_only_a_leak_that_undercuts_all_before_counts() -> None:
    """A later leak at an equal or higher score could never have been released."""
    assert record_low([0.5, 0.5, 0.7], [False, True, True]) == math.inf
    assert record_low([0.9, 0.4, 0.2], [True, True, False]) == 0.4
    assert lowest_leak([0.5, 0.5, 0.7], [False, True, True]) == 0.5


def test_a_label_is_needed_only_where_serving_could_release() -> None:
    """The second candidate does not undercut the first, so nobody has to label it."""
    assert record_low([0.5, 0.6, 0.1], [False, None, True]) == 0.1
    with pytest.raises(ValueError, match="candidate 3 has no label"):
        record_low([0.5, 0.6, 0.1], [False, None, None])
    with pytest.raises(ValueError, match="candidate 2 has no label"):
        lowest_leak([0.5, 0.6], [False, None])


def test_a_missing_label_names_its_prompt_and_the_remedy() -> None:
    """So that it can be mended."""
    with pytest.raises(ValueError, match=r"prompt 'q7': candidate 1 has no label; give .*labels file .*not null"):
        plain_record_low(prompt("q7", (0.5, None)))


def test_as_many_labels_as_scores() -> None:
    """Anything else is a mistake."""
    with pytest.raises(ValueError, match="2 scores, but 1 labels"):
        record_low([0.5, 0.4], [True])


def test_a_unit_has_the_lowest_record_low_of_its_prompts() -> None:
    """Two paraphrases are one unit."""
    prompts = [
        prompt("a1", (0.7, True), unit="a"),
        prompt("b", (0.5, True)),
        prompt("a2", (0.3, True), unit="a"),
    ]
    assert unit_record_lows(prompts).tolist() == [0.3, 0.5]


def test_evidence_about_another_topic_is_minus_infinity() -> None:
    """Without that topic the loop could have gone another way."""
    crossed = Trajectory("q", (Candidate(0, 0.8, ("a", "b"), leak=True),), topic="a")
    own = Trajectory("q", (Candidate(0, 0.8, ("a",), leak=True),), topic="a")
    assert (covering_record_low(crossed), covering_record_low(own)) == (-math.inf, 0.8)
    assert plain_record_low(crossed) == 0.8
    second = Trajectory("q", (Candidate(0, 0.01, ("a",), leak=True), Candidate(1, 0.8, ("b",))), topic="a")
    assert covering_record_low(second) == -math.inf


def test_evidence_after_a_score_of_zero_does_not_count() -> None:
    """Every threshold above 0 stops at the zero."""
    later = (Candidate(0, 0.8, ("a",), leak=True), Candidate(1, 0.0, leak=False), Candidate(2, 0.5, ("b",)))
    assert covering_record_low(Trajectory("q", later, topic="a")) == 0.8


def test_the_threshold_is_the_kth_smallest_record_low() -> None:
    """k = 2 of 19 at level .1, k = 1 with a confidence of .8."""
    lows = np.arange(19, 0, -1) / 20
    assert control_leak_risk(lows, level=0.1) == Certified(0.1, 2, 19, 0.1, None)
    assert control_leak_risk_confident(lows, level=0.1, confidence=0.8) == Certified(0.05, 1, 19, 0.1, 0.8)


def test_the_threshold_is_capped_at_one() -> None:
    """Scores lie in [0, 1]; infinity means that nothing leaked."""
    assert control_leak_risk([math.inf] * 9, level=0.1) == Certified(1.0, 1, 9, 0.1, None)


def test_too_few_units_are_infeasible_and_say_how_many_are_needed() -> None:
    """A type, not an extreme number."""
    outcome = control_leak_risk([math.inf] * 8, level=0.1)
    assert outcome == Infeasible("8 units are too few: 9 would do if none of them leaked", 8, 9)
    confident = control_leak_risk_confident([math.inf] * 28, level=0.1, confidence=0.95)
    assert confident == Infeasible("28 units are too few: 29 would do if none of them leaked", 28, 29)
    assert isinstance(control_leak_risk([], level=0.1), Infeasible)


def test_leaks_at_score_zero_are_infeasible_whatever_the_number() -> None:
    """Release is strict, so a threshold of 0 releases nothing; more prompts would not help."""
    outcome = control_leak_risk([0.0, 0.0, *[1.0] * 17], level=0.1)
    assert isinstance(outcome, Infeasible)
    assert outcome.needed is None
    assert "the k-th smallest record low is 0 (k = 2): 2 of 19 units leak at score 0" in outcome.reason


def test_cross_talk_that_makes_it_infeasible_is_named() -> None:
    """And the remedy."""
    outcome = control_leak_risk([-math.inf] * 3 + [1.0] * 16, level=0.1)
    assert isinstance(outcome, Infeasible)
    assert outcome.reason.startswith(
        "3 of 19 units met evidence about another topic than their own, and at most 1 may"
    )


@pytest.mark.parametrize("bad", [[0.5, math.nan], [[0.5]]])
def test_record_lows_that_are_no_flat_list_of_numbers_are_refused(bad: list[object]) -> None:
    """NaN would sort to the end and pass for a unit that never leaks."""
    with pytest.raises(ValueError, match="flat list of numbers without NaN"):
        control_leak_risk(bad, level=0.1)  # type: ignore[arg-type]
