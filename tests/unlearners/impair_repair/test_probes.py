"""Probes of what is left: each says yes where it must, and chance where nothing is left."""

import pytest
import torch
from torch import nn

from unlearners.impair_repair.data import LabelledTensors
from unlearners.impair_repair.probes import (
    NotRelearned,
    Relearned,
    RelearnSettings,
    accuracy,
    area_under_curve,
    linear_probe,
    membership_attack,
    never_answered,
    relearn,
    representations,
)
from unlearners.impair_repair.training import epochs_of
from unlearners.protocol import Refused


def points(rows=300, seed=0, informative=True):
    """Make three clusters, or points that say nothing of their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % 3
    centres = 3 * torch.eye(3)[labels] if informative else torch.zeros(rows, 3)
    return LabelledTensors(centres + torch.randn((rows, 3), generator=generator), labels)


def head(width=8, seed=0):
    """Build a small network of two layers."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 3))


def trained(data, epochs=30, width=8):
    """Train the network on data."""
    network = head(width)
    epochs_of(network, data, rate=0.01, epochs=epochs, batch=32, optimiser="adam", seed=0)
    return network


def relearned(network, most=400, rate=2e-3):
    """Relearn class 0."""
    data = points()
    settings = RelearnSettings(accuracy=0.5, rate=rate, rows=16, most_steps=most)
    return relearn(
        network,
        data.of_classes((0,)),
        data.without_classes((0,)),
        points(seed=1).of_classes((0,)),
        settings,
        seed=0,
    )


def test_what_was_never_forgotten_takes_no_steps():
    """The whole model knows class 0 at once."""
    assert Relearned(0) == relearned(trained(points()))


def test_a_class_that_was_only_hidden_comes_back_sooner_than_one_never_learned():
    """A small bias against it, beside a network that was trained without it."""
    whole = trained(points())
    with torch.no_grad():
        whole[2].bias[0] -= 8.0
    never = relearned(trained(points().without_classes((0,))), rate=1e-3)
    hidden = relearned(whole, rate=1e-3)
    assert isinstance(hidden, Relearned)
    assert 0 < hidden.steps
    assert isinstance(never, NotRelearned) or hidden.steps < never.steps


def test_relearning_gives_up_and_leaves_the_model_as_it_is():
    """Within two steps nothing comes back."""
    network = trained(points().without_classes((0,)))
    before = [value.clone() for value in network.parameters()]
    assert NotRelearned(2) == relearned(network, most=2, rate=1e-6)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_a_probe_finds_a_class_that_the_answers_hide():
    """The head never says class 0, the layer below still tells it apart."""
    network = trained(points(), width=16)
    with torch.no_grad():
        network[2].bias[0] -= 100.0
    assert (0,) == never_answered(network, points(seed=1))
    assert 0.0 == accuracy(network, points(seed=1).of_classes((0,)))
    assert linear_probe(network, points(), points(seed=1), (0,)) >= 0.95


def test_a_probe_finds_nothing_where_nothing_is():
    """Points that say nothing of their labels."""
    data = points(1200, informative=False), points(1200, seed=1, informative=False)
    assert pytest.approx(0.5, abs=0.06) == linear_probe(head(), *data, (0,))


def test_a_membership_attack_sees_memorising():
    """A network that memorised random labels gives its rows away; before training there is nothing to see."""
    generator = torch.Generator().manual_seed(0)
    members, strangers = (
        LabelledTensors(torch.randn((60, 40), generator=generator), torch.arange(60) % 3) for _ in range(2)
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(40, 64), nn.ReLU(), nn.Linear(64, 3))
    assert 0.3 <= membership_attack(network, members, strangers) <= 0.7
    epochs_of(network, members, rate=0.01, epochs=60, batch=32, optimiser="adam", seed=0)
    assert membership_attack(network, members, strangers) >= 0.9


@pytest.mark.parametrize("shift", [-20.0, 0.0, 20.0])
def test_the_area_under_a_curve_is_the_share_of_pairs_in_order(shift):
    """Against counting all the pairs, ties by half."""
    generator = torch.Generator().manual_seed(0)
    positive = torch.randint(0, 9, (40,), generator=generator).double() + shift
    negative = torch.randint(0, 9, (30,), generator=generator).double()
    pairs = positive[:, None] - negative[None]
    expected = float(((pairs > 0).double() + 0.5 * (pairs == 0).double()).mean())
    assert pytest.approx(expected) == area_under_curve(positive, negative)


def test_too_few_rows_say_nothing():
    """Nine of a side are refused."""
    with pytest.raises(Refused, match="there are 9 and 40"):
        area_under_curve(torch.zeros(9), torch.zeros(40))


def test_a_representation_is_what_the_last_layer_is_given():
    """Eight numbers a row; a model without a linear layer has none."""
    network, data = head(), points()
    found = representations(network, data.inputs)
    assert (300, 8) == tuple(found.shape)
    assert torch.allclose(network[2](found), network(data.inputs))
    with pytest.raises(ValueError, match=r"no nn\.Linear layer"):
        representations(nn.Sequential(nn.Identity()), data.inputs)
