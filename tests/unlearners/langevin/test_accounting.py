"""The accountant of noisy descent: a second implementation, published totals, inverses, monotonicity, limits."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearners.conversion import epsilon_of, rate_for
from unlearners.langevin.accounting import (
    LEAST_SIGMA,
    Infeasible,
    Process,
    distance_per_row,
    epochs_from_anywhere,
    epsilon_after,
    least_epochs,
    next_distance,
    rate_after,
    sequential_epochs,
    sigma_for,
)
from unlearners.langevin.choice import chosen_settings
from unlearners.langevin.plan import plan
from unlearners.losses import Logistic
from unlearners.protocol import ForgetRequest

N = 11264
M = N * 1e-6
MNIST = Process(rows=N, batch=N, convexity=M, smoothness=0.25 + M, sigma=0.03)
TARGET = (1.0, 1 / N)
BOTH = ("published", "tight")

processes = st.builds(
    lambda rows, share, m, sigma, radius: Process(
        rows, max(1, int(rows * share)), m, 0.25 + m, sigma, radius=radius
    ),
    st.integers(2, 5000),
    st.floats(0.01, 1),
    st.floats(1e-4, 0.5),
    st.floats(1e-3, 1),
    st.floats(1, 1000),
)


def brute_distance(process, slot, epochs):
    """Walk two copies apart: the row's batch comes last in each epoch, which is the worst place."""
    c, distance = 1 - process.step * process.convexity, 0.0
    for _ in range(epochs):
        for step in range(process.steps_per_epoch):
            moved = slot * process.step * process.clip / process.batch
            distance = c * distance + (moved if step == process.steps_per_epoch - 1 else 0.0)
    return distance


def brute_rate(process, distance, epochs, variance):
    """Split the distance over the steps' noises as well as can be, found by solving the constrained problem."""
    c, steps = 1 - process.step * process.convexity, epochs * process.steps_per_epoch
    # shifts a_t with sum_t c^(N-t) a_t = c^N Z and the least sum of squares: a = v (c^N Z) / |v|^2
    weights = np.array([c ** (steps - t) for t in range(1, steps + 1)])
    shifts = weights * (c**steps * distance) / (weights @ weights)
    return float(shifts @ shifts) / (2 * variance)


@pytest.mark.parametrize(("batch", "total"), [(N, 886), (128, 100), (64, 100), (32, 100)])
def test_the_published_totals_come_out(batch, total):
    """100 requests on MNIST, 3 against 8, at ε = 1, δ = 1/n, sigma = .03."""
    epochs = sequential_epochs(
        replace(MNIST, batch=batch), (1,) * 100, *TARGET, adjacency="replacement", bound="published"
    )
    assert total == sum(epochs)


def test_the_published_constants_come_out():
    """η = 3.82755 and c = .956887."""
    assert 3.82755 == round(MNIST.step, 5)
    assert 0.956887 == round(math.exp(MNIST.log_contraction), 6)


def test_retraining_with_the_same_noise_takes_three_epochs():
    """At b = 128: the figure that a critic will ask for."""
    assert 3 == epochs_from_anywhere(replace(MNIST, batch=128), *TARGET, "published")


@pytest.mark.parametrize("batch", [10, 25, 100])
@pytest.mark.parametrize(("adjacency", "slot"), [("replacement", 2), ("deletion", 1)])
def test_the_sharper_distance_is_where_two_copies_walked_apart_end(batch, adjacency, slot):
    """A second implementation that walks step by step; the looser distance is never below it."""
    process = Process(100, batch, 0.05, 0.3, 0.1)
    walked = brute_distance(process, slot, 400)
    assert distance_per_row(process, adjacency, "tight") == pytest.approx(walked, rel=1e-9)
    assert distance_per_row(process, adjacency, "published") >= walked * (1 - 1e-12)


@pytest.mark.parametrize("m", [0.0, 0.05, 0.2])
@pytest.mark.parametrize(("batch", "epochs"), [(100, 1), (100, 7), (25, 3)])
def test_the_rate_is_that_of_the_best_shifts_by_hand(m, batch, epochs):
    """A second implementation: the shifts one by one; published is twice the tight constant."""
    process = Process(100, batch, m, 0.25 + m, 0.1)
    by_hand = brute_rate(process, 0.7, epochs, 2 * process.step * process.sigma**2)
    assert rate_after(process, 0.7, epochs, "tight") == pytest.approx(by_hand, rel=1e-9)
    assert rate_after(process, 0.7, epochs, "published") == pytest.approx(2 * by_hand, rel=1e-9)


@pytest.mark.parametrize("bound", BOTH)
@pytest.mark.parametrize("batch", [40, 200])
def test_a_sequence_is_the_recursion_by_brute_force(bound, batch):
    """K by counting up, Z by the recursion, in a second implementation."""
    process = Process(200, batch, 0.02, 0.27, 0.05)
    c, delta = 1 - process.step * process.convexity, 1e-4
    per_epoch = process.steps_per_epoch
    z1 = 2 * process.step / batch / (1 - (c if bound == "published" and batch < 200 else c**per_epoch))
    z, expected = 0.0, []
    for _ in range(30):
        z = (z * c ** (per_epoch * expected[-1]) if expected else 0.0) + z1
        k = 1
        variance = 2 * process.step * process.sigma**2 / (2 if bound == "published" else 1)
        while epsilon_of(brute_rate(process, z, k, variance), delta) > 1:
            k += 1
        expected.append(k)
    found = sequential_epochs(process, (1,) * 30, 1, delta, adjacency="replacement", bound=bound)
    assert tuple(expected) == found


@given(processes, st.sampled_from(BOTH), st.floats(0.01, 10), st.floats(1e-8, 0.1), st.floats(1e-4, 50))
def test_the_least_epochs_are_enough_and_one_fewer_is_not(process, bound, epsilon, delta, distance):
    """An inverse round trip over extremes."""
    epochs = least_epochs(process, distance, epsilon, delta, bound)
    assert rate_after(process, distance, epochs, bound) <= rate_for(epsilon, delta)
    if epochs > 1:
        assert rate_after(process, distance, epochs - 1, bound) > rate_for(epsilon, delta)


@given(processes, st.sampled_from(BOTH), st.integers(1, 20), st.integers(1, 5))
def test_the_sigma_found_is_enough_and_a_little_less_is_not(process, bound, epochs, requests):
    """Bisection meets the recursion: K epochs each suffice at sigma, and fail the last request just below it."""
    sigma = sigma_for(process, 1.0, 1e-5, epochs, adjacency="deletion", bound=bound, requests=requests)
    distance, reached = 0.0, []
    for request in range(requests):
        last = epochs if request else 0
        distance = next_distance(process, "deletion", bound, rows=1, left=distance, last_epochs=last)
        reached.append(epsilon_after(replace(process, sigma=sigma), distance, epochs, 1e-5, bound))
    assert max(reached) <= 1.0
    if sigma > LEAST_SIGMA:
        less = replace(process, sigma=sigma * (1 - 1e-6))
        assert epsilon_after(less, distance, epochs, 1e-5, bound) > 1.0


def test_a_request_served_in_fewer_epochs_can_cost_the_next_one_more():
    """Why sigma is found for K epochs each: the least epochs of the first leave more for the second."""
    process = Process(2, 2, 0.0625, 0.3125, 1.0, radius=7.0)
    sigma = sigma_for(process, 1.0, 1e-5, 2, adjacency="deletion", bound="tight", requests=2)
    least = sequential_epochs(
        replace(process, sigma=sigma), (1, 1), 1.0, 1e-5, adjacency="deletion", bound="tight"
    )
    assert (1, 3) == least


def test_the_sigma_found_is_the_closed_form():
    """One request: sigma² = Z²·shrink/(4·η·rate)."""
    one = replace(MNIST, sigma=1.0)
    distance = distance_per_row(one, "deletion", "tight")
    expected = math.sqrt(rate_after(one, distance, 3, "tight") / rate_for(*TARGET))
    assert sigma_for(MNIST, *TARGET, 3, adjacency="deletion", bound="tight") == pytest.approx(expected, rel=1e-11)


@given(processes, st.sampled_from(BOTH), st.floats(1e-3, 1), st.integers(1, 50))
def test_epsilon_falls_with_epochs_and_noise_and_grows_with_distance(process, bound, distance, epochs):
    """Monotone in each."""
    here = rate_after(process, distance, epochs, bound)
    assert rate_after(process, distance, epochs + 1, bound) <= here
    assert rate_after(replace(process, sigma=process.sigma * 2), distance, epochs, bound) <= here
    assert rate_after(process, distance * 2, epochs, bound) >= here
    assert rate_after(process, distance, epochs, "tight") == pytest.approx(
        rate_after(process, distance, epochs, "published") / 2
    )


def test_deletion_moves_half_as_far_as_replacement():
    """An emptied slot loses one gradient, a replaced row swaps two."""
    for bound in BOTH:
        replaced = distance_per_row(MNIST, "replacement", bound)
        assert distance_per_row(MNIST, "deletion", bound) == pytest.approx(replaced / 2)


def test_several_rows_at_once_move_as_far_as_their_sum():
    """S·Z1 in the worst case."""
    one = next_distance(MNIST, "deletion", "tight", rows=1)
    assert next_distance(MNIST, "deletion", "tight", rows=5) == pytest.approx(5 * one)


def test_no_distance_is_more_than_the_ball_is_wide():
    """2R bounds it, so that no request takes more than forgetting everything."""
    small = replace(MNIST, radius=1e-4)
    assert 2e-4 == next_distance(small, "replacement", "published", rows=100)
    most = epochs_from_anywhere(small, *TARGET, "tight")
    assert most == max(sequential_epochs(small, (50,) * 20, *TARGET, adjacency="replacement", bound="tight"))


@pytest.mark.parametrize("bound", BOTH)
def test_a_nearly_flat_regulariser_tends_to_the_convex_bound(bound):
    """m → 0: the rate tends to the sum without contraction, the distance to s·T where T epochs were run."""
    flat, nearly = (Process(100, 10, m, 0.25, 0.1) for m in (0.0, 1e-13))
    assert rate_after(flat, 0.5, 3, bound) == pytest.approx(rate_after(nearly, 0.5, 3, bound), rel=1e-6)
    assert 2 * 4 / 10 * 7 == pytest.approx(distance_per_row(flat, "replacement", bound, epochs=7))
    assert 200 == distance_per_row(flat, "replacement", bound, epochs=1e9)


def test_a_convex_sequence_counts_all_epochs_before():
    """Each request's own row has been seen in training and in every unlearning since."""
    flat = Process(100, 10, 0.0, 0.25, 0.5, radius=math.inf)
    epochs = sequential_epochs(flat, (1, 1), 1, 1e-3, adjacency="deletion", bound="tight", training_epochs=5)
    first = least_epochs(flat, 4 / 10 * 5, 1, 1e-3, "tight")
    second = least_epochs(flat, 4 / 10 * 5 + 4 / 10 * (5 + first), 1, 1e-3, "tight")
    assert (first, second) == epochs


def test_an_endless_convex_training_without_a_ball_is_infeasible():
    """Nothing bounds the distance: a reason, not a number."""
    flat = Process(100, 10, 0.0, 0.25, 0.5, radius=math.inf)
    with pytest.raises(Infeasible, match="projection radius"):
        sequential_epochs(flat, (1,), 1, 1e-3, adjacency="deletion", bound="tight")
    with pytest.raises(Infeasible, match="projection radius"):
        sigma_for(flat, 1, 1e-3, 5, adjacency="deletion", bound="tight")


def test_a_hopeless_noise_is_infeasible():
    """A loss that is only convex with hardly any noise: no number of epochs is returned."""
    flat = Process(100, 100, 0.0, 0.25, 1e-12)
    with pytest.raises(Infeasible, match="epochs reach the target"):
        epochs_from_anywhere(flat, 1, 1e-3, "tight")


def test_nothing_run_leaves_everything():
    """Zero epochs hide no distance at all."""
    assert math.inf == rate_after(MNIST, 0.1, 0, "tight")
    assert 0.0 == rate_after(MNIST, 0.0, 0, "tight")


def test_one_step_is_the_gaussian_mechanism():
    """N = 1: a shift of cZ under noise of variance 2·η·sigma²."""
    variance = 2 * MNIST.step * MNIST.sigma**2
    shift = math.exp(MNIST.log_contraction) * 0.3
    assert rate_after(MNIST, 0.3, 1, "tight") == pytest.approx(shift**2 / (2 * variance))


def test_a_batch_that_does_not_divide_the_rows_takes_one_more_step():
    """The last batch is filled with empty slots."""
    assert 4 == Process(10, 3, 0.1, 0.35, 1).steps_per_epoch


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch": 0}, "batch"),
        ({"batch": N + 1}, "batch"),
        ({"convexity": -0.1}, "convexity"),
        ({"convexity": 1.0}, "convexity"),
        ({"convexity": math.nan}, "convexity"),
        ({"smoothness": math.inf}, "smoothness"),
        ({"sigma": 0.0}, "sigma"),
        ({"sigma": math.nan}, "sigma"),
        ({"clip": -1.0}, "clip"),
        ({"radius": 0.0}, "radius"),
        ({"radius": math.nan}, "radius"),
    ],
)
def test_numbers_that_cannot_be_are_refused(change, words):
    """The message names the number."""
    with pytest.raises(ValueError, match=words):
        replace(MNIST, **change)


def test_an_unknown_adjacency_is_refused():
    """Never a guess."""
    with pytest.raises(ValueError, match="adjacency"):
        distance_per_row(MNIST, "addition", "tight")


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_the_noise_found_for_so_many_epochs_takes_exactly_so_many(epochs):
    """One criterion finds both, so that no rounding between two adds an epoch."""
    for rows in range(200, 1200, 37):
        settings = chosen_settings({"epochs": epochs}, rows, Logistic())
        (planned,) = plan(settings, settings.process(rows, Logistic()), (), [ForgetRequest((0,))])
        assert epochs == planned.epochs
        assert planned.epsilon <= settings.epsilon
