"""Units of many tokens: their shares, their gradients, and what is refused."""

import numpy as np
import pytest
from scipy.special import softmax

from unlearners.bags import Bags
from unlearners.data import Dataset
from unlearners.langevin.descent import Rule, bag_batches, batches, update, with_alive
from unlearners.losses import Multinomial
from unlearners.pcmu.bag_task import BagTask
from unlearners.protocol import Refused


def bags(seed=0, sizes=(3, 1, 4, 2), outputs=5, width=3):
    """Draw tokens of norm 1, in shuffled order, so that a unit's are not side by side."""
    rng = np.random.default_rng(seed)
    units = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    features = rng.standard_normal((len(units), width))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    names = tuple("abcdefgh"[: len(sizes)])
    return Bags(features, rng.integers(0, outputs, len(units)), units, outputs, names)


def gradient_by_hand(data, weights, unit):
    """Return the gradient of a unit's mean cross-entropy, token by token."""
    total = np.zeros_like(weights)
    tokens = np.flatnonzero(data.units == unit)
    for token in tokens:
        gap = softmax(weights @ data.features[token])
        gap[data.labels[token]] -= 1
        total += np.outer(gap, data.features[token]) / len(tokens)
    return total


@pytest.mark.parametrize("gone", [(), (2,), (0, 3)])
def test_a_step_takes_each_living_units_mean_and_divides_by_the_slots(gone):
    """Against token by token; the regulariser and the projection are about the centre."""
    data, rng = bags(), np.random.default_rng(1)
    centre, weights = rng.standard_normal((2, 5, 3))
    alive = np.array([unit not in gone for unit in range(4)])
    rule = Rule(0.5, 0.1, 4, 2**0.5, 0.0, 0.7, centre)
    (batch,) = with_alive(bag_batches(data, np.array([3, 0, 2, 1]), 4), alive)
    mean = sum(gradient_by_hand(data, weights, unit) for unit in np.flatnonzero(alive)) / 4
    away = weights - 0.5 * (mean + 0.1 * (weights - centre)) - centre
    expected = centre + away * min(1, 0.7 / np.linalg.norm(away))
    assert expected == pytest.approx(update(weights[None], batch, Multinomial(5), rule, None)[0], abs=1e-12)


def test_units_of_one_token_are_rows():
    """The same steps, bit by bit, as on plain rows."""
    data, rng = bags(sizes=(1, 1, 1, 1)), np.random.default_rng(1)
    places = np.argsort(data.units)
    rows = Dataset(data.features[places], data.labels[places], tuple("vwxyz"))
    order, weights, rule = np.array([2, 0, 3, 1]), rng.standard_normal((1, 5, 3)), Rule(0.5, 0.1, 2, 2, 0.0)
    of_units = bag_batches(data, order, 2)
    of_rows = batches(rows.features, rows.labels, order, 2)
    for one, other in zip(of_units, of_rows, strict=True):
        ends = [update(weights, batch, Multinomial(5), rule, None).tobytes() for batch in (one, other)]
        assert ends[0] == ends[1]


@pytest.mark.parametrize("clip", [None, 0.3])
def test_pcmus_gradients_are_those_of_each_unit_by_itself(clip):
    """Clipped by hand; their mean is over the units that are left; none is above √2."""
    data = bags()
    task = BagTask(data, np.zeros((5, 3)), clip=clip)
    weights = np.random.default_rng(2).standard_normal((5, 3))
    found = [gradient_by_hand(data, weights, unit).ravel() for unit in range(4)]
    found = np.array([one * min(1, (clip or 9) / np.linalg.norm(one)) for one in found])
    assert found == pytest.approx(task.gradients(weights.ravel()), abs=1e-14)
    alive = np.array([True, False, True, True])
    assert found[alive].mean(axis=0) == pytest.approx(task.mean_gradient(weights.ravel(), alive), abs=1e-14)
    assert np.linalg.norm(task.gradients(50 * weights.ravel()), axis=1).max() <= 2**0.5


def test_pcmu_starts_at_the_public_head():
    """And names it, so that a model of another is refused."""
    data, public = bags(), np.random.default_rng(3).standard_normal((5, 3))
    task = BagTask(data, public)
    assert public.ravel().tolist() == task.start(7).tolist()
    assert task.name != BagTask(data, 2 * public).name
    assert (data.features @ public.T).argmax(axis=1).tolist() == task.predictions(
        task.start(0), data.features
    ).tolist()
    with pytest.raises(ValueError, match="shape"):
        BagTask(data, public.T)
    with pytest.raises(Refused, match="there is 1"):
        BagTask(bags(sizes=(3,)), public)


def test_the_digest_changes_with_what_is_learned_alone():
    """Features, labels and units, not names."""
    one = bags()
    others = [
        Bags(one.features, one.labels, one.units[::-1].copy(), 5, one.ids),
        Bags(one.features, one.labels[::-1].copy(), one.units, 5, one.ids),
        Bags(-one.features, one.labels, one.units, 5, one.ids),
    ]
    assert 4 == len({one.sha256, *(other.sha256 for other in others)})
    assert one.sha256 == Bags(one.features, one.labels, one.units, 5, ("p", "q", "r", "s")).sha256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": np.full(10, 5)}, "labels lie in"),
        ({"units": np.full(10, -1)}, "units lie in"),
        ({"units": np.zeros(10, dtype=np.int64)}, "'b' has none"),
        ({"ids": ("a", "a", "b", "c")}, "id of its own"),
        ({"features": np.full((10, 3), np.nan)}, "finite"),
        ({"features": np.zeros((0, 3)), "labels": np.zeros(0, int), "units": np.zeros(0, int)}, "at least one"),
        ({"labels": np.zeros(9, int)}, "needs features"),
    ],
)
def test_units_that_cannot_be_are_refused(change, words):
    """Each by name."""
    good = bags()
    parts = {name: getattr(good, name) for name in ("features", "labels", "units", "outputs", "ids")}
    with pytest.raises(ValueError, match=words):
        Bags(**{**parts, **change})


def test_a_token_longer_than_one_is_refused():
    """The constants of the loss would not hold."""
    one = bags()
    with pytest.raises(Refused, match="norm 2"):
        Bags(2 * one.features, one.labels, one.units, 5, one.ids).bounded()
