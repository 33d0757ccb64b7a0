"""The update and the losses, against slow loops and numerical derivatives."""

import math

import numpy as np
import pytest

from unlearners.langevin.accounting import Process
from unlearners.langevin.descent import Rule, batches, initial_weights, noisy_rule, update, with_alive
from unlearners.losses import Logistic, Multinomial, loss_for

RNG = np.random.default_rng(0)
X = RNG.standard_normal((7, 3))
X /= np.linalg.norm(X, axis=1, keepdims=True)
BINARY, TERNARY = np.array([0, 1, 1, 0, 1, 0, 0]), np.array([0, 1, 2, 0, 1, 2, 0])


def loss_value(loss, weights, x, label):
    """Return the loss of one row: the formula, not its derivative."""
    scores = weights @ x
    if isinstance(loss, Logistic):
        return math.log1p(math.exp(-(2 * label - 1) * scores[0]))
    return math.log(np.exp(scores).sum()) - scores[label]


def gradient(loss, weights, x, label):
    """Differentiate it numerically."""
    found = np.zeros_like(weights)
    for place in np.ndindex(weights.shape):
        step = np.zeros_like(weights)
        step[place] = 1e-6
        found[place] = loss_value(loss, weights + step, x, label) - loss_value(loss, weights - step, x, label)
    return found / 2e-6


CASES = [(Logistic(), BINARY, 1.0), (Logistic(), BINARY, 0.3), (Multinomial(3), TERNARY, math.sqrt(2))]


@pytest.mark.parametrize(("loss", "labels", "clip"), CASES)
@pytest.mark.parametrize("radius", [math.inf, 0.5])
def test_the_update_is_the_formula_row_by_row(loss, labels, clip, radius):
    """Clipped gradients of the rows that are left, divisor b, regulariser, projection: for two runs at once."""
    rule = Rule(step=0.7, convexity=0.2, divisor=5, clip=clip, noise=0.0, radius=radius)
    weights = np.random.default_rng(1).standard_normal((2, loss.outputs, 3))
    alive = np.array([[1, 1], [1, 0], [0, 1], [1, 1], [1, 1], [1, 1], [1, 1]], dtype=bool)
    first = with_alive(batches(X, labels, np.array([3, 1, 2, 0, 4, 5, 6]), 5), alive)[0]
    found = update(weights, first, loss, rule, None)
    for run in range(2):
        total = np.zeros((loss.outputs, 3))
        for row in (3, 1, 2, 0, 4):
            one = gradient(loss, weights[run], X[row], labels[row]) * alive[row, run]
            total += one * min(1.0, clip / max(np.linalg.norm(one), 1e-300))
        moved = weights[run] - 0.7 * (total / 5 + 0.2 * weights[run])
        moved *= min(1.0, radius / np.linalg.norm(moved))
        assert found[run] == pytest.approx(moved, abs=1e-8)


def test_a_full_batch_is_read_in_pieces_without_a_difference():
    """More rows than fit a piece."""
    x = np.tile(X, (1000, 1))
    labels = np.tile(BINARY, 1000)
    weights = np.ones((1, 1, 3))
    rule = Rule(1.0, 0.1, 7, 1.0, 0.0)
    large = update(weights, batches(x, labels, np.arange(7000), 7000)[0], Logistic(), rule, None)
    small = update(weights, batches(X, BINARY, np.arange(7), 7)[0], Logistic(), rule, None)
    assert large == pytest.approx(1000 * (small - 0.9) + 0.9)


def test_the_noise_has_the_stated_deviation():
    """√(2·η·sigma²) in each coordinate, independent between runs."""
    process = Process(7, 7, 0.1, 0.35, sigma=0.5)
    weights = np.zeros((20_000, 1, 3))
    dead = with_alive(batches(X, BINARY, np.arange(7), 7), np.zeros(7, dtype=bool))[0]
    moved = update(weights, dead, Logistic(), noisy_rule(process), np.random.default_rng(0))
    expected = math.sqrt(2 * process.step) * 0.5
    assert np.std(moved, axis=0) == pytest.approx(np.full((1, 3), expected), rel=0.03)
    assert abs(np.corrcoef(moved[:10_000, 0, 0], moved[10_000:, 0, 0])[0, 1]) < 0.05


def test_a_noisy_update_needs_a_generator():
    """Noise is never left out silently."""
    rule = noisy_rule(Process(7, 7, 0.1, 0.35, 0.5))
    with pytest.raises(ValueError, match="generator"):
        update(np.zeros((1, 1, 3)), batches(X, BINARY, np.arange(7), 7)[0], Logistic(), rule, None)


def test_the_last_batch_keeps_the_divisor():
    """Seven rows in batches of five: the second holds two, and every row is in one batch."""
    cut = batches(X, BINARY, np.arange(7)[::-1], 5)
    assert [[6, 5, 4, 3, 2], [1, 0]] == [batch.rows.tolist() for batch in cut]


@pytest.mark.parametrize(("loss", "labels"), [(Logistic(), (0, 1)), (Multinomial(3), (0, 1, 2))])
def test_the_constants_of_a_loss_hold(loss, labels):
    """Numerically, at many weights: gradient norms, and curvatures along random directions."""
    rng = np.random.default_rng(2)
    x = np.array([1.0, 0.0, 0.0])
    largest_gradient = largest_curvature = 0.0
    for _ in range(300):
        weights = rng.standard_normal((loss.outputs, 3)) * rng.choice([0.01, 1, 10])
        direction = rng.standard_normal(weights.shape)
        direction /= np.linalg.norm(direction)
        for label in labels:
            largest_gradient = max(largest_gradient, np.linalg.norm(gradient(loss, weights, x, label)))
            ends = [loss_value(loss, weights + h * direction, x, label) for h in (-1e-3, 0, 1e-3)]
            largest_curvature = max(largest_curvature, (ends[0] - 2 * ends[1] + ends[2]) / 1e-6)
    assert 0.9 * loss.gradient_bound <= largest_gradient <= loss.gradient_bound + 1e-6
    assert 0.5 * loss.smoothness <= largest_curvature <= loss.smoothness + 1e-6


def test_two_classes_are_logistic_more_are_multinomial():
    """One case, chosen by the number of classes."""
    assert isinstance(loss_for(2), Logistic)
    assert 4 == loss_for(4).outputs
    with pytest.raises(ValueError, match="two classes"):
        loss_for(1)


def test_two_softmax_classes_are_the_same_model_as_logistic():
    """The probability depends on the difference of the two vectors."""
    scores = np.array([[[0.3, 1.5]]])
    soft = Multinomial(2).residuals(scores, np.array([1]))[0, 0, 1]
    single = Logistic().residuals(np.array([[[1.2]]]), np.array([1]))[0, 0, 0]
    assert soft == pytest.approx(single)
    assert 1 == Multinomial(2).predictions(scores)[0, 0] == Logistic().predictions(np.array([[[1.2]]]))[0, 0]


def test_the_start_has_the_stated_deviation():
    """√(2·sigma²/m), and zeros where the loss is only convex."""
    process = Process(7, 7, 0.1, 0.35, 0.5)
    start = initial_weights(process, (1, 1, 50_000), np.random.default_rng(0))
    assert np.std(start) == pytest.approx(0.5 * math.sqrt(20), rel=0.02)
    assert not initial_weights(Process(7, 7, 0.0, 0.25, 0.5), (1, 1, 5), np.random.default_rng(0)).any()
