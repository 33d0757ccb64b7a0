"""Rényi divergence to (ε, δ): against a numerical minimum, inverses, limits, and dp-accounting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from unlearners.conversion import epsilon_of, rate_for

RATES = (1e-12, 1e-6, 0.02, 1.0, 30.0, 1e4)
DELTAS = (1e-300, 1e-10, 1e-4, 0.5, 0.999)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("delta", DELTAS)
def test_the_closed_form_is_the_minimum_found_numerically(rate, delta):
    """Over all orders above 1, searched on the logarithm of what is above 1."""

    def epsilon(log_order):
        order = math.exp(log_order)
        return (1 + order) * rate - math.log(delta) / order

    found = minimize_scalar(epsilon, bounds=(-40, 40), method="bounded", options={"xatol": 1e-10})
    assert found.fun == pytest.approx(epsilon_of(rate, delta), rel=1e-9)


@given(st.floats(1e-9, 1e6), st.floats(1e-300, 0.999))
def test_a_rate_found_for_a_target_meets_it(epsilon, delta):
    """The inverse is an inverse, from tiny to huge targets."""
    assert epsilon_of(rate_for(epsilon, delta), delta) == pytest.approx(epsilon, rel=1e-9)


@given(st.floats(1e-6, 1e3), st.floats(1.0001, 10), st.floats(1e-12, 0.4))
def test_more_divergence_is_a_larger_epsilon_and_a_larger_delta_a_smaller_one(rate, factor, delta):
    """Monotone in both."""
    assert epsilon_of(rate, delta) < epsilon_of(rate * factor, delta)
    assert epsilon_of(rate, delta) > epsilon_of(rate, min(0.5, delta * factor))


def test_no_divergence_is_epsilon_zero():
    """The limit of identical distributions."""
    assert 0.0 == epsilon_of(0.0, 1e-5)


@pytest.mark.parametrize(
    ("epsilon", "delta"), [(0, 0.1), (-1, 0.1), (math.nan, 0.1), (math.inf, 0.1), (1, 0), (1, 1)]
)
def test_a_target_that_cannot_be_is_refused(epsilon, delta):
    """Zero, negative, or not a number."""
    with pytest.raises(ValueError, match=r"epsilon|delta"):
        rate_for(epsilon, delta)


def test_a_rate_that_is_not_a_number_is_refused():
    """NaN must not come out as a promise."""
    with pytest.raises(ValueError, match="cannot be negative"):
        epsilon_of(math.nan, 0.1)


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.5])
@pytest.mark.parametrize("delta", [1e-9, 1e-6])
def test_dp_accounting_agrees_where_it_speaks_of_the_same_thing(rate, delta):
    """A Gaussian mechanism of the same divergence: its bounds are sharper, but not by much."""
    dp_accounting = pytest.importorskip(
        "dp_accounting", reason="left out of the environment: it pins versions that clash with others of ours"
    )
    event = dp_accounting.GaussianDpEvent(1 / math.sqrt(2 * rate))
    orders = 1 + np.logspace(-3, 4, 2000)
    renyi = dp_accounting.rdp.RdpAccountant(orders.tolist()).compose(event).get_epsilon(delta)
    exact = dp_accounting.pld.PLDAccountant().compose(event).get_epsilon(delta)
    ours = epsilon_of(rate, delta)
    assert exact <= renyi * (1 + 1e-3) <= ours * (1 + 1e-3)
    assert ours <= 1.5 * exact
