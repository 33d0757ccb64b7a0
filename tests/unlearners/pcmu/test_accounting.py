"""Budgets of PCMU: round trips, limits, monotonicity, and the published figures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearners.pcmu.accounting import (
    ALLOWANCE,
    deletion_shift,
    majority_budget,
    sampled_budget,
    sampled_epsilon,
)

MNIST = 11982
"""Rows of 3 and 8 in MNIST's training part."""


@pytest.mark.parametrize(("sigma", "expected"), [(0.01, (1, 2, 6)), (0.03, (4, 7, 18))])
def test_the_sampled_budgets_are_the_published_ones(sigma, expected):
    """100 steps at δ = 1/n, for ε of 1, 2 and 5."""
    found = tuple(
        sampled_budget(epsilon, 1 / MNIST, rows=MNIST, steps=100, clip=1.0, sigma=sigma)
        for epsilon in (1.0, 2.0, 5.0)
    )
    assert expected == found


@given(
    epsilon=st.floats(1e-3, 50),
    sigma=st.floats(1e-4, 10),
    rows=st.integers(2, 10_000),
    steps=st.integers(1, 500),
)
def test_the_sampled_budget_is_within_the_target_and_one_more_row_is_not(epsilon, sigma, rows, steps):
    """Unless no row would be left."""
    process = {"rows": rows, "steps": steps, "clip": 1.0, "sigma": sigma}
    budget = sampled_budget(epsilon, 1e-5, **process)
    assert 0 <= budget < rows
    assert sampled_epsilon(budget, 1e-5, **process) <= epsilon
    assert budget == rows - 1 or sampled_epsilon(budget + 1, 1e-5, **process) > epsilon


@given(radius=st.floats(0, 5), rows=st.integers(1, 10_000), clip=st.floats(1e-3, 10))
def test_the_majority_budget_keeps_the_shift_inside_the_radius(radius, rows, clip):
    """Strictly, and one more row would break 2kM/(n-k) ≤ R'."""
    budget = majority_budget(radius, rows, clip)
    assert 0 <= budget < rows
    if budget:
        assert deletion_shift(budget, rows, clip) < radius
    more = budget + 1
    inner = radius - ALLOWANCE * clip
    assert more >= rows or 2 * more * clip / (rows - more) > inner * (1 - 1e-12)


def test_the_majority_budget_is_the_formula_of_the_design():
    """⌊R'n / (2M + R')⌋ around .5·100 / 2.5 = 20, where the allowance decides."""
    assert 20 == majority_budget(0.5001, 100, 1.0)
    assert 19 == majority_budget(0.5, 100, 1.0)


@pytest.mark.parametrize("radius", [0.0, 1e-10, 1.6e-4])
def test_a_radius_below_one_row_gives_a_budget_of_zero(radius):
    """Honest zero: at 11,982 rows one deletion moves a mean by up to 1.7e-4."""
    assert 0 == majority_budget(radius, MNIST, 1.0)


def test_nothing_forgotten_costs_nothing():
    """ε of 0 rows is 0, and the budget of a hopeless noise is 0."""
    assert 0.0 == sampled_epsilon(0, 1e-5, rows=10, steps=5, clip=1.0, sigma=0.1)
    assert 0 == sampled_budget(1.0, 1e-5, rows=10, steps=5, clip=1.0, sigma=1e-6)


@pytest.mark.parametrize("deleted", [-1, 10, 11])
def test_a_shift_needs_rows_that_stay(deleted):
    """Deleting all is no retraining."""
    with pytest.raises(ValueError, match="can delete 0 to 9 of 10 rows"):
        deletion_shift(deleted, 10, 1.0)


@pytest.mark.parametrize(("epsilon", "delta"), [(0.0, 1e-5), (math.inf, 1e-5), (1.0, 0.0), (1.0, 1.0)])
def test_a_target_out_of_range_is_refused(epsilon, delta):
    """As everywhere in the package."""
    with pytest.raises(ValueError, match=r"epsilon|delta"):
        sampled_budget(epsilon, delta, rows=10, steps=1, clip=1.0, sigma=1.0)
