"""The membership attack: chance where there is nothing to see, certainty where there is."""

import numpy as np
import pytest

from evaluation.unlearning.membership import area_under_curve, matched_area_under_curve


def test_members_and_strangers_alike_are_told_apart_at_chance():
    """Two samples of one distribution."""
    rng = np.random.default_rng(0)
    assert 0.5 == pytest.approx(area_under_curve(rng.normal(size=1000), rng.normal(size=1000)), abs=0.03)


def test_separated_losses_are_told_apart_with_certainty():
    """Lower losses are a member's."""
    assert 1.0 == area_under_curve([0.1, 0.2], [0.3, 5.0])


def test_losses_that_are_too_high_tell_a_member_as_well():
    """Such a curve's area is 0, not 0.5."""
    assert 0.0 == area_under_curve([9.0, 8.0], [0.3, 5.0])


def test_equal_losses_count_half():
    """One win, two draws, one loss."""
    assert 0.5 == area_under_curve([1.0, 2.0], [1.0, 2.0])


def test_questions_that_are_hard_for_everybody_hide_nobody():
    """Within each question the member is below the strangers; over all questions together often not."""
    own, others = np.array([[0.1], [5.0]]), np.array([[0.2, 0.3], [6.0, 7.0]])
    assert (1.0, 0.75) == (matched_area_under_curve(own, others), area_under_curve(own.ravel(), others.ravel()))


@pytest.mark.parametrize(
    ("own", "others"), [([], [1.0]), ([1.0], []), ([float("nan")], [1.0]), ([1.0], [float("inf")])]
)
def test_losses_that_rank_nobody_are_refused(own, others):
    """None of a side, or one that is no number."""
    with pytest.raises(ValueError, match="loss"):
        area_under_curve(own, others)


def test_losses_of_different_questions_are_refused():
    """Three questions against two."""
    with pytest.raises(ValueError, match="same questions"):
        matched_area_under_curve(np.zeros((3, 1)), np.zeros((2, 4)))
