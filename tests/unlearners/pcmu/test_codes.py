"""Codes of gradients: the closed form against its limits, an integral, and draws."""

import numpy as np
import pytest
from scipy.stats import norm

from unlearners.pcmu.codes import (
    code_probabilities,
    quantise,
    radius,
    smoothed_codes,
    smoothed_threshold,
    smoothing_radius,
)
from unlearners.pcmu.sampling import lower_bound, sampled_codes, upper_bound


@pytest.mark.parametrize(("ratio", "expected"), [(0.5, 0.186), (1.0, 0.969), (2.0, 2.000)])
def test_the_smoothed_threshold_is_the_published_one(ratio, expected):
    """To the three digits given."""
    assert expected == round(smoothed_threshold(ratio, 1.0), 3)


def test_the_smoothed_threshold_scales_with_the_noise():
    """Both in the gradient's unit."""
    assert pytest.approx(7e-3 * smoothed_threshold(0.8, 1.0), rel=1e-12) == smoothed_threshold(0.8 * 7e-3, 7e-3)


@pytest.mark.parametrize("threshold", [0.0, 0.43, -1.0, float("nan"), float("inf")])
def test_a_threshold_at_which_no_code_would_be_zero_is_refused(threshold):
    """Below .431 of the noise, 0 is never the likeliest code."""
    with pytest.raises(ValueError, match="threshold"):
        smoothed_threshold(threshold, 1.0)


def test_probabilities_are_those_of_the_normal_law():
    """Each by itself, and their sum is 1."""
    gradient = np.array([-3.0, -0.2, 0.0, 0.7, 9.0])
    below, middle, above = code_probabilities(gradient, 0.5, 2.0)
    assert pytest.approx(norm.cdf(-0.5, gradient, 2.0)) == below
    assert pytest.approx(norm.sf(0.5, gradient, 2.0)) == above
    assert pytest.approx(np.ones(5)) == below + middle + above


@pytest.mark.parametrize("ratio", [0.44, 0.5, 1.0, 2.5])
def test_the_smoothed_code_is_the_likeliest_one(ratio):
    """On a fine grid, by comparing the three probabilities."""
    gradient = np.linspace(-5, 5, 4001)
    likeliest = code_probabilities(gradient, ratio, 1.0).argmax(axis=0) - 1
    clear = radius(gradient, ratio, 1.0) > 1e-9
    assert np.array_equal(likeliest[clear], smoothed_codes(gradient, ratio, 1.0)[clear])


def test_a_move_by_less_than_the_radius_keeps_the_code_and_by_more_changes_it():
    """For 2,000 gradients, on the side of the nearer boundary."""
    gradient = np.random.default_rng(0).uniform(-3, 3, 2000)
    far, code = radius(gradient, 1.0, 1.0), smoothed_codes(gradient, 1.0, 1.0)
    inward = np.where(code == 0, np.sign(gradient), -np.sign(gradient))
    for share, kept in ((0.999, True), (1.001, False)):
        same = smoothed_codes(gradient + share * far * inward, 1.0, 1.0) == code
        assert same.all() if kept else not same.any()
        assert not kept or (smoothed_codes(gradient - 0.999 * far * inward, 1.0, 1.0) == code).all()


def test_the_radius_of_any_quantiser_is_never_more_than_that_of_this_one():
    """(sigma/2)(Φ⁻¹(p_A) - Φ⁻¹(p_B)) with the true probabilities stays below ||g| - τ*|."""
    gradient = np.linspace(-3, 3, 1501)
    ordered = np.sort(code_probabilities(gradient, 1.2, 1.0), axis=0)
    assert (smoothing_radius(ordered[2], ordered[1], 1.0) <= radius(gradient, 1.2, 1.0) + 1e-9).all()


def test_bounds_of_a_probability_invert_the_binomial_law():
    """The exact textbook values at the ends, and an interior one."""
    hits = np.array([0, 5, 10])
    assert pytest.approx([0.0, 0.22244, 0.05 ** (1 / 10)], abs=1e-5) == lower_bound(hits, 10, 0.05)
    assert pytest.approx([1 - 0.05 ** (1 / 10), 0.77756, 1.0], abs=1e-5) == upper_bound(hits, 10, 0.05)


def test_sampling_comes_near_to_the_closed_form():
    """With 200,000 draws the codes agree, and the radius is most of what any quantiser has."""
    gradient = np.array([-2.2, -0.4, 0.1, 1.5])
    rng = np.random.default_rng(3)
    found = sampled_codes(gradient, 1.0, 1.0, draws=200_000, failure=0.01, steps=10, rng=rng)
    ordered = np.sort(code_probabilities(gradient, 1.0, 1.0), axis=0)
    limit = smoothing_radius(ordered[2], ordered[1], 1.0)
    assert np.array_equal(smoothed_codes(gradient, 1.0, 1.0), found.codes)
    assert (found.radii <= limit).all()
    assert (found.radii >= 0.9 * limit).all()


def test_a_coordinate_that_draws_do_not_decide_has_no_radius():
    """At the boundary itself, ten draws certify nothing."""
    edge = np.array([smoothed_threshold(1.0, 1.0)])
    found = sampled_codes(edge, 1.0, 1.0, draws=10, failure=0.01, steps=1, rng=np.random.default_rng(0))
    assert 0.0 == found.radii[0]


def test_more_steps_share_one_confidence():
    """So that each radius shrinks."""
    radii = [
        sampled_codes(
            np.array([3.0]), 1.0, 1.0, draws=500, failure=0.01, steps=steps, rng=np.random.default_rng(0)
        ).radii[0]
        for steps in (1, 10, 1000)
    ]
    assert sorted(radii, reverse=True) == radii
    assert radii[0] > radii[2]


def test_a_value_at_the_threshold_is_zero():
    """Strict on both sides."""
    assert [0, 0, 1, -1] == quantise(np.array([1.0, -1.0, 1.1, -1.1]), 1.0).tolist()
