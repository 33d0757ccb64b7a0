"""The baselines run for real: what they compute, and that gradients are counted."""

import numpy as np
import pytest

from tests.unlearners.langevin.test_unlearner import blobs
from unlearners.langevin.accounting import Process
from unlearners.langevin.baselines import accuracy, descend_to_delete, forget_by_noise, retrain, retrain_by_noise
from unlearners.langevin.delete_to_descent import Descent
from unlearners.langevin.descent import Tally, batches, descend, noisy_rule, update, with_alive
from unlearners.losses import Logistic

DATA, TEST, LOSS = blobs(), blobs(seed=9), Logistic()
RNG = np.random.default_rng(0)
DESCENT = Descent(200, 5, 0.05, 0.3)
PROCESS = Process(200, 50, 0.05, 0.3, 0.02)
LEFT = np.ones(200, dtype=bool)
LEFT[:10] = False
PHASES = [(LEFT, 3), (LEFT, 4)]


def optimum(left):
    """Find the regularised optimum by many exact steps; the divisor stays n."""
    signs = 2 * DATA.labels - 1
    w = np.zeros(5)
    for _ in range(3000):
        pull = (left * -signs / (1 + np.exp(signs * (DATA.features @ w)))) @ DATA.features / 200
        w -= DESCENT.step * (pull + 0.05 * w)
    return w


def test_retraining_finds_the_optimum_of_what_is_left():
    """And not that of all the rows."""
    found = retrain(DATA, LOSS, DESCENT, (LEFT, 500), 1).weights[0, 0]
    assert found == pytest.approx(optimum(LEFT), abs=1e-4)
    assert np.abs(found - optimum(np.ones(200))).max() > 1e-3


def test_descent_to_delete_ends_at_the_optimum_plus_its_noise():
    """Over many runs: the mean is the optimum, the deviation sigma."""
    done = descend_to_delete(DATA, LOSS, DESCENT, 0.1, 100, [(LEFT, 60)], 600, seed=0)
    assert done.weights[:, 0].mean(axis=0) == pytest.approx(optimum(LEFT), abs=0.02)
    assert done.weights[:, 0].std(axis=0) == pytest.approx(np.full(5, 0.1), rel=0.12)


@pytest.mark.parametrize("method", [forget_by_noise, retrain_by_noise])
def test_noisy_methods_know_the_task_and_count_their_gradients(method):
    """Every row of every epoch is counted, for training and unlearning apart."""
    done = method(DATA, LOSS, PROCESS, 20, PHASES, 3, seed=0)
    assert (200 * 20, 200 * 7) == (done.training_gradients, done.gradients)
    assert (accuracy(done.trained, TEST, LOSS) > 0.9).all()
    assert (accuracy(done.weights, TEST, LOSS) > 0.9).all()


def test_noisy_retraining_starts_afresh():
    """One epoch from a start far away cannot know what unlearning still knows; runs differ in their noise."""
    shy = Process(200, 200, 0.0005, 0.2505, 1e-6)
    kept = forget_by_noise(DATA, LOSS, shy, 300, [(LEFT, 1)], 2, seed=0)
    fresh = retrain_by_noise(DATA, LOSS, shy, 300, [(LEFT, 1)], 2, seed=0)
    assert (np.linalg.norm(kept.weights, axis=2) > 2 * np.linalg.norm(fresh.weights, axis=2)).all()
    assert not np.array_equal(kept.weights[0], kept.weights[1])


def test_accuracy_counts_right_answers_by_run():
    """One run right, one wrong."""
    right = optimum(np.ones(200))
    assert [1.0, 0.0] == accuracy(np.stack([right, -right])[:, None], TEST, LOSS).round().tolist()


def test_gradients_are_counted_where_they_are_made():
    """One epoch more that nobody accounts for is counted; an empty slot's gradient is made, so it is too."""
    short, long = ([(LEFT, epochs)] for epochs in (3, 4))
    counts = [forget_by_noise(DATA, LOSS, PROCESS, 2, phases, 1, seed=0).gradients for phases in (short, long)]
    assert [600, 800] == counts
    (first, *_), tally = batches(DATA.features, DATA.labels, np.arange(200), 50), Tally()
    for alive in (np.ones(200, dtype=bool), LEFT):
        (batch,) = with_alive((first,), alive)
        update(np.zeros((1, 1, 5)), batch, LOSS, noisy_rule(PROCESS), RNG, tally)
    assert 100 == tally.gradients
    moved = descend(np.zeros((1, 1, 5)), (first, first), LOSS, noisy_rule(PROCESS), iter([RNG, RNG]), tally)
    assert (2, 300) == (len(list(moved)), tally.gradients)
