"""Smoothing of the training rows: votes against their closed form, and deletions that the budgets cover."""

import numpy as np
import pytest
from scipy.special import ndtri

from unlearners.data import Dataset
from unlearners.pcmu.data_smoothing import (
    data_budget,
    mean_direction,
    mean_direction_share,
    signed_rows,
    smoothed_predictions,
    steps_learner,
)
from unlearners.protocol import Refused


def rows_and_queries(seed=0, rows=60, features=3):
    """Make signed rows that point one way on the whole, and queries at several angles to it."""
    rng = np.random.default_rng(seed)
    z = np.eye(features)[0] + 0.5 * rng.standard_normal((rows, features))
    queries = rng.standard_normal((12, features))
    return z / np.linalg.norm(z, axis=1, keepdims=True), queries / np.linalg.norm(queries, axis=1, keepdims=True)


def smoothed(learner, runs=400, failure=0.01, seed=0):
    """Smooth the rows above with noise of deviation 2."""
    z, queries = rows_and_queries()
    rng = np.random.default_rng(seed)
    return smoothed_predictions(z, queries, learner, sigma=2.0, runs=runs, failure=failure, rng=rng)


def test_votes_certify_no_more_than_the_closed_form():
    """The radius by votes stays below sigma·|Φ⁻¹(share)|, and the decided signs are right."""
    z, queries = rows_and_queries()
    exact = ndtri(mean_direction_share(z, queries, 2.0))
    found = smoothed(mean_direction)
    decided = found.signs != 0
    assert decided.sum() >= 6
    assert (found.radii <= 2.0 * np.abs(exact)).all()
    assert np.array_equal(np.sign(exact)[decided], found.signs[decided])


def test_no_deletion_within_a_budget_changes_a_smoothed_prediction():
    """The worst rows for each query are emptied; the closed form says what the likelier sign then is."""
    z, queries = rows_and_queries()
    found = smoothed(mean_direction, runs=2000)
    assert found.budgets.max() >= 2
    for sign, query, budget in zip(found.signs, queries, found.budgets, strict=True):
        left = z.copy()
        left[np.argsort(-sign * (z @ query))[:budget]] = 0
        assert sign == 0 or sign == np.sign(mean_direction_share(left, query[None], 2.0)[0] - 0.5)


def test_any_learner_can_be_smoothed():
    """Gradient steps agree with the mean direction where both decide."""
    first, second = smoothed(mean_direction), smoothed(steps_learner(5, 1.0))
    both = (first.signs != 0) & (second.signs != 0)
    assert both.sum() >= 5
    assert np.array_equal(first.signs[both], second.signs[both])


def test_few_runs_decide_nothing():
    """Three votes are too few for any confidence of 99 %."""
    found = smoothed(mean_direction, runs=3)
    assert [0] * 12 == found.signs.tolist()
    assert [0] * 12 == found.budgets.tolist()


@pytest.mark.parametrize(("radius", "budget"), [(0.0, 0), (1.0, 0), (1.01, 1), (2.0, 3), (2.01, 4)])
def test_a_budget_stays_strictly_inside_the_radius(radius, budget):
    """k emptied unit rows move the data by √k at most."""
    assert budget == data_budget(radius)


def test_a_signed_row_is_label_times_features():
    """The second class keeps its sign, the first is turned round."""
    data = Dataset(np.array([[0.6, 0.8], [1.0, 0.0]]), np.array([0, 1]), ("a", "b"))
    assert [[-0.6, -0.8], [1.0, 0.0]] == signed_rows(data).tolist()


def test_three_classes_have_no_signed_rows():
    """The assumption is named."""
    with pytest.raises(Refused, match="two classes"):
        signed_rows(Dataset(np.eye(3), np.arange(3), ("a", "b", "c")))
