"""Runs are kept one by one: a second call adds to them, another question starts afresh."""

import numpy as np
import pytest
from langevin_arms import Arm, Task
from langevin_runs import Interval, measure

from unlearners.data import Dataset
from unlearners.langevin.baselines import Executed
from unlearners.losses import Logistic

DATA = Dataset(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 1]), ("a", "b"))
TASK = Task(DATA, DATA, DATA, Logistic(), 0.5, is_mnist=False)
RIGHT, HALF = [[-1.0, 1.0]], [[1.0, 1.0]]


def arm(asked, together=1):
    """Make an arm whose even runs end with both rows right and whose odd runs with one; it notes what is asked."""

    def run(runs, first):
        asked.append((runs, first))
        weights = np.array([HALF if number % 2 else RIGHT for number in range(first, first + runs)])
        return Executed(np.array([HALF] * runs), weights, training_gradients=4, gradients=6)

    return Arm("noisy", "an arm", 3, together, run)


def test_a_second_call_runs_only_what_is_missing(tmp_path):
    """And both give what one call gives."""
    asked = []
    measure(arm(asked), TASK, 2, tmp_path, "key")
    figures = measure(arm(asked), TASK, 5, tmp_path, "key")
    assert [(1, number) for number in range(5)] == asked
    whole = measure(arm([]), TASK, 5)
    assert (whole.accuracy, whole.trained) == (figures.accuracy, figures.trained)
    assert (5, 6, 4, 0.8) == (figures.runs, figures.gradients, figures.training_gradients, figures.accuracy.mean)


def test_fewer_runs_than_are_kept_are_averaged_alone(tmp_path):
    """So that a number of runs always means the same runs."""
    measure(arm([]), TASK, 5, tmp_path, "key")
    assert measure(arm([]), TASK, 2).accuracy == measure(arm([]), TASK, 2, tmp_path, "key").accuracy


def test_another_question_has_runs_of_its_own(tmp_path):
    """The key is all that runs depend on."""
    asked = []
    measure(arm(asked), TASK, 1, tmp_path, "one")
    measure(arm(asked), TASK, 1, tmp_path, "other")
    assert [(1, 0), (1, 0)] == asked


def test_runs_that_share_a_call_are_asked_for_together():
    """The last call takes what is left."""
    asked = []
    measure(arm(asked, together=4), TASK, 6)
    assert [(4, 0), (2, 4)] == asked


def test_the_interval_is_students():
    """t(.975, 3) = 3.182 for two of each: 3.182·√(1/12)/2; and none of a single run."""
    found = measure(arm([]), TASK, 4).accuracy
    assert (0.75, pytest.approx(3.18245 * (1 / 12) ** 0.5 / 2, rel=1e-4)) == (found.mean, found.half_width)
    assert Interval(1.0, 0.0) == measure(arm([]), TASK, 1).accuracy
