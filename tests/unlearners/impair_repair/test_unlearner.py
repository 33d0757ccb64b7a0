"""Impair-repair: what it forgets and keeps, that it resumes and repeats, what it refuses, and what it says."""

from datetime import UTC, datetime

import pytest
import torch
from torch import nn

from unlearners.certificate import UnlearningCertificate
from unlearners.explanation import explain
from unlearners.impair_repair.data import LabelledTensors, class_request, retained_sample
from unlearners.impair_repair.noise import learn_noise
from unlearners.impair_repair.probes import accuracy
from unlearners.impair_repair.settings import ImpairRepairSettings
from unlearners.impair_repair.training import epochs_of, scores_of
from unlearners.impair_repair.unlearner import ClassifierModel, ImpairRepair
from unlearners.promise import NothingPromised
from unlearners.protocol import ForgetRequest, Refused, Unlearner

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SETTINGS = ImpairRepairSettings(
    noise_images=32, retain_per_class=60, impair_rate=0.02, repair_rate=0.01, batch=16, noise_steps=20
)


def pictures(classes=4, each=80, seed=0):
    """Make noisy 6x6 pictures with a bright quarter for each class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat_interleave(each)
    inputs = 0.5 * torch.randn((len(labels), 1, 6, 6), generator=generator)
    for row, label in enumerate(labels.tolist()):
        inputs[row, 0, 3 * (label // 2) : 3 * (label // 2) + 3, 3 * (label % 2) : 3 * (label % 2) + 3] += 1.5
    return LabelledTensors(inputs, labels)


def network(seed=0, norm=False):
    """Build a convolution and a head, with batch normalisation where asked."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        middle = nn.BatchNorm2d(4) if norm else nn.Identity()
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), middle, nn.ReLU(), nn.Flatten(), nn.Linear(144, 16), nn.ReLU(),
            nn.Dropout(0.1), nn.Linear(16, 4),
        )  # fmt: skip


def fit(seed, progress, norm=True):
    """Train the network on all pictures."""
    made, data = network(seed, norm), pictures()
    epochs_of(
        made, data, rate=5e-3, epochs=6, batch=32, optimiser="adam", seed=seed, decay=True, progress=progress
    )
    return made, 6 * data.rows


def unlearner(settings=SETTINGS, seed=0, data=None, **options):
    """Make one with a fixed clock."""
    data = pictures() if data is None else data
    return ImpairRepair(data, settings, seed=seed, fit=fit, now=lambda: NOW, **options)


def bits(module):
    """Return all the module's state as bytes."""
    return b"".join(value.numpy().tobytes() for value in module.state_dict().values())


@pytest.fixture(scope="module")
def model():
    """Train once for all tests; none may alter it."""
    return unlearner().train(seed=0)


def test_an_impair_repair_is_an_unlearner():
    """It fits the protocol, statically and by name."""
    one: Unlearner[ClassifierModel] = unlearner()
    assert "impair-repair" == one.name


@pytest.mark.parametrize("classes", [(0,), (1, 3)])
def test_the_forgotten_classes_go_and_the_others_stay(model, classes):
    """On pictures never seen, for one and for two classes, with batch normalisation and dropout."""
    fresh = pictures(seed=9)
    assert accuracy(model.module, fresh) >= 0.98
    done = unlearner().unlearn(model, [class_request(pictures(), classes)])
    assert accuracy(done.model.module, fresh.of_classes(classes)) <= 0.05
    assert accuracy(done.model.module, fresh.without_classes(classes)) >= 0.95


def test_two_requests_are_one_impairing(model):
    """The noises are learned apart, and the state is that of one request with both classes."""
    whole = pictures()
    both = unlearner().unlearn(model, [class_request(whole, (1, 3))]).model
    apart = unlearner().unlearn(model, [class_request(whole, (1,)), class_request(whole, (3,))]).model
    assert bits(both.module) == bits(apart.module)
    assert 2 == len(apart.served)


def test_the_model_it_is_given_is_left_as_it_is(model):
    """Weights, statistics, modes and gradients wanted."""
    before, modes = bits(model.module), [part.training for part in model.module.modules()]
    unlearner().unlearn(model, [class_request(pictures(), (0,))])
    assert before == bits(model.module)
    assert modes == [part.training for part in model.module.modules()]
    assert all(value.requires_grad for value in model.module.parameters())


def test_it_is_the_same_for_a_seed(model):
    """And another for another seed; the global generator neither matters nor moves."""
    request = [class_request(pictures(), (0,))]
    torch.manual_seed(1)
    first, state = unlearner().unlearn(model, request).model, torch.random.get_rng_state()
    torch.manual_seed(2)
    again = unlearner().unlearn(model, request).model
    torch.manual_seed(1)
    assert torch.equal(state, torch.random.get_rng_state())
    assert bits(first.module) == bits(again.module)
    assert bits(first.module) != bits(unlearner(seed=1).unlearn(model, request).model.module)


@pytest.mark.parametrize("at", ["noise for class 3", "impair", "repair"])
def test_it_goes_on_after_a_crash_to_the_same_bits(model, tmp_path, at):
    """Killed in each phase; finished phases are not done again."""
    request = [class_request(pictures(), (1, 3))]
    whole = unlearner().unlearn(model, request).model
    seen = []

    def crash(phase, done, total):
        seen.append(phase)
        if phase == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unlearner(directory=tmp_path).unlearn(model, request, progress=crash)
    again = []
    resumed = unlearner(directory=tmp_path).unlearn(
        model, request, progress=lambda phase, done, total: again.append(phase)
    )
    assert bits(whole.module) == bits(resumed.model.module)
    assert at in again
    assert not (set(seen) - {at}) & set(again)


def test_a_record_of_another_request_is_not_taken(model, tmp_path):
    """The file in the directory belongs to other classes."""
    unlearner(directory=tmp_path).unlearn(model, [class_request(pictures(), (1,))])
    taken = unlearner(directory=tmp_path).unlearn(model, [class_request(pictures(), (2,))]).model
    plain = unlearner().unlearn(model, [class_request(pictures(), (2,))]).model
    assert bits(plain.module) == bits(taken.module)


def test_the_certificate_says_that_nothing_is_promised(model):
    """In its JSON and in words, with what it cost: noise, impair and repair."""
    done = unlearner().unlearn(model, [class_request(pictures(), (0,))])
    certificate = UnlearningCertificate.from_json(done.certificate.to_json())
    assert certificate == done.certificate
    assert isinstance(certificate.promise, NothingPromised)
    assert "Nothing is promised: impair-repair is a heuristic" in explain(certificate)
    assert 32 * 20 + (180 + 32) + 180 == certificate.gradients_spent
    assert 6 * 320 == certificate.training_gradients


def test_the_control_does_the_same_without_noise(model):
    """It spends two passes over the retained rows, and forgets in its own way."""
    control = ImpairRepairSettings(
        retain_per_class=60, impair_rate=0.02, repair_rate=0.01, batch=16, with_noise=False
    )
    done = unlearner(control).unlearn(model, [class_request(pictures(), (0,))])
    assert 2 * 180 == done.certificate.gradients_spent
    assert accuracy(done.model.module, pictures(seed=9).without_classes((0,))) >= 0.95


def test_noise_maximises_the_error_of_its_own_class_with_the_model_frozen(model):
    """The model is surer than at the start that it is not of the class; its own state does not move."""
    before = bits(model.module)
    for label in (1, 3):
        noise = learn_noise(model.module, label, (1, 6, 6), SETTINGS, seed=5)
        start = torch.randn((32, 1, 6, 6), generator=torch.Generator().manual_seed(5))
        wanted = torch.full((32,), label)
        ends = [float(nn.functional.cross_entropy(scores_of(model.module, n), wanted)) for n in (start, noise)]
        assert ends[1] >= 2 * ends[0]
    assert before == bits(model.module)


def test_a_larger_penalty_keeps_the_noise_smaller(model):
    """It is all that bounds it."""
    loose, tight = (
        learn_noise(model.module, 0, (1, 6, 6), ImpairRepairSettings(noise_images=32, noise_penalty=p), seed=0)
        for p in (0.01, 1.0)
    )
    assert tight.square().mean() < loose.square().mean()


def test_later_requests_keep_earlier_classes_out_of_the_retained_rows(model):
    """What is forgotten is not repaired back."""
    once = unlearner().unlearn(model, [class_request(pictures(), (0,))]).model
    twice = unlearner().unlearn(once, [class_request(pictures(), (1,))]).model
    fresh = pictures(seed=9)
    assert accuracy(twice.module, fresh.of_classes((0,))) <= 0.05
    assert accuracy(twice.module, fresh.of_classes((2, 3))) >= 0.95
    assert [80, 80] == [len(one.rows) for one in twice.served]
    assert twice.unlearning_gradients > once.unlearning_gradients


def test_a_class_that_is_not_there_is_refused():
    """By name of the assumption."""
    with pytest.raises(Refused, match="no row of class 7") as refused:
        class_request(pictures(), (7,))
    assert "a forgotten class is in the data" == refused.value.assumption


@pytest.mark.parametrize("classes", [(0, 1, 2), (0, 1, 2, 3)])
def test_forgetting_that_leaves_too_little_is_refused(classes):
    """No class, or a single one, would be left to repair with."""
    with pytest.raises(Refused, match="the data keep rows of at least two other classes"):
        class_request(pictures(), classes)


def test_a_part_of_a_class_is_refused(model):
    """The method forgets classes, not rows."""
    with pytest.raises(Refused, match="names 2 of the 80 rows of class 0"):
        unlearner().unlearn(model, [ForgetRequest((0, 1))])


def test_a_row_that_is_not_there_is_refused(model):
    """320 rows are numbered to 319."""
    with pytest.raises(Refused, match="no row 320"):
        unlearner().unlearn(model, [ForgetRequest((320,))])


def test_a_class_is_not_forgotten_twice(model):
    """Neither in one call nor later."""
    request = class_request(pictures(), (0,))
    with pytest.raises(Refused, match="class 0 is named again"):
        unlearner().unlearn(model, [request, request])
    once = unlearner().unlearn(model, [request]).model
    with pytest.raises(Refused, match="class 0 is named again"):
        unlearner().unlearn(once, [request])


def test_the_retained_sample_is_balanced_and_without_the_forgotten():
    """Fewer where a class has fewer."""
    data = pictures()
    some = LabelledTensors(data.inputs[:250], data.labels[:250])
    sample = retained_sample(some, (0,), 50, torch.Generator().manual_seed(0))
    assert [0, 50, 50, 10] == torch.bincount(sample.labels, minlength=4).tolist()


@pytest.mark.parametrize(
    ("inputs", "labels", "error"),
    [
        (torch.full((2, 3), torch.nan), torch.tensor([0, 1]), Refused),
        (torch.zeros((2, 3)), torch.tensor([0, -1]), Refused),
        (torch.zeros((2, 3)), torch.tensor([0]), ValueError),
        (torch.zeros((2, 3), dtype=torch.uint8), torch.tensor([0, 1]), ValueError),
    ],
)
def test_data_that_cannot_be_used_are_refused(inputs, labels, error):
    """Not finite, negative labels, too few labels, bytes."""
    with pytest.raises(error):
        LabelledTensors(inputs, labels)


@pytest.mark.parametrize(
    "change", [{"noise_images": 0}, {"impair_rate": 0.0}, {"noise_penalty": -1.0}, {"optimiser": "lbfgs"}]
)
def test_settings_that_mean_nothing_are_refused(change):
    """Each by a ValueError."""
    with pytest.raises(ValueError, match=r"noise|rate|penalty|optimiser"):
        ImpairRepairSettings(**change)


def test_training_needs_a_way_to_train():
    """Without one a trained model must be given."""
    with pytest.raises(ValueError, match="pass 'fit'"):
        ImpairRepair(pictures(), SETTINGS, seed=0).train(seed=0)
