"""The noise of every epoch, recorded from real runs: never used twice, another for another request."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from unlearners.checkpoint import read_checkpoint
from unlearners.data import Dataset
from unlearners.langevin.randomness import order_of, request_noise, start_generator, training_noise
from unlearners.langevin.settings import LangevinSettings
from unlearners.langevin.unlearner import Langevin
from unlearners.protocol import ForgetRequest

ROWS = 12
SETTINGS = LangevinSettings(
    epsilon=1.0, delta=0.01, sigma=0.1, batch=ROWS, convexity=0.1, training_epochs=6, radius=np.inf
)
SILENT = Dataset(np.zeros((ROWS, 3)), np.arange(ROWS) % 2, ("a", "b"))
"""Rows without a gradient, so that a step is the contraction and the noise."""


class Recorder:
    """Reads the weights after every epoch from the run's own record."""

    def __init__(self, directory):
        self.directory, self.weights = directory, []

    def __call__(self, phase, done, total):
        """Keep the weights of this epoch."""
        self.weights.append(read_checkpoint(self.directory / "progress.npz").arrays["weights"].ravel())

    def noise(self, start=None):
        """Return the noise of each epoch but that of the first where its start is not known."""
        path = [*([] if start is None else [start.ravel()]), *self.weights]
        process = SETTINGS.process(ROWS, Langevin(SILENT, SETTINGS).loss)
        kept = 1 - process.step * process.convexity
        return [after - kept * before for before, after in pairwise(path)]


def recorded(directory, model, rows):
    """Forget rows one request each; return the noise of all epochs, and the model after."""
    told = Recorder(directory)
    one = Langevin(SILENT, SETTINGS, directory=directory)
    done = one.unlearn(model, [ForgetRequest(each) for each in rows], progress=told)
    return told.noise(model.weights), done.model


@pytest.fixture
def trained(tmp_path):
    """Train; return the model and the noise of the epochs from the second on."""
    told = Recorder(tmp_path)
    model = Langevin(SILENT, SETTINGS, directory=tmp_path).train(seed=5, progress=told)
    return model, told.noise()


def apart(noises):
    """Say whether no two are the same numbers, nor nearly."""
    return all(np.abs(one - other).max() > 1e-6 for one, other in combinations(noises, 2))


def test_no_noise_is_used_twice_in_training_and_requests(tmp_path, trained):
    """Of every epoch: the training's, two requests together, and one more from the model that they left."""
    model, training = trained
    first, after = recorded(tmp_path, model, [(1,), (2, 3)])
    second, _ = recorded(tmp_path, after, [(4,)])
    noises = [*training, *first, *second]
    assert len(noises) == 5 + len(first) + len(second) >= 9
    assert apart(noises)


def test_two_requests_from_one_model_get_independent_noise(tmp_path, trained):
    """Else the difference of the two results would hold none; the same request gets the same again."""
    model, _ = trained
    one, other, again = (recorded(tmp_path, model, [rows])[0] for rows in ((1,), (2,), (1,)))
    assert apart([*one, *other])
    assert all(map(np.array_equal, one, again))


def test_the_same_rows_after_other_requests_get_other_noise(tmp_path, trained):
    """What was served before is part of what a request's noise is drawn from."""
    model, _ = trained
    straight, _ = recorded(tmp_path, model, [(1,)])
    _, after = recorded(tmp_path, model, [(2,)])
    later, _ = recorded(tmp_path, after, [(1,)])
    assert apart([*straight, *later])


def test_every_use_of_a_seed_is_a_generator_of_its_own():
    """The start, the epochs of training, and the epochs of requests that differ in anything."""
    asked = [((), (1,)), ((), (1, 2)), (((1,),), (2,)), (((1, 2),), (3,)), (((1,), (2,)), (3,)), (((3,),), (1,))]
    generators = [start_generator(7), *(training_noise(7, epoch) for epoch in range(20))]
    generators += [request_noise(7, before, rows, epoch) for before, rows in asked for epoch in range(20)]
    states = {str(one.bit_generator.state["state"]) for one in generators}
    assert 1 + 20 + 6 * 20 == len(states)
    assert order_of(7, 50).tolist() == order_of(7, 50).tolist() != order_of(8, 50).tolist()


def test_the_order_in_which_rows_are_named_makes_no_difference():
    """The same request has one result."""
    one, other = (request_noise(7, [(4, 5)], rows, 0).random() for rows in ((1, 2), (2, 1)))
    assert one == other
