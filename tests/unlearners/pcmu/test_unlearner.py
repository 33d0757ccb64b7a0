"""The PCMU unlearner: budgets spent and refused, resuming, its certificates, and what it trains."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from torch import nn

from unlearners.certificate import Limited, Served, UnlearningCertificate, sealed
from unlearners.data import Dataset
from unlearners.explanation import explain
from unlearners.pcmu.exact import exact_budget
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.tasks import LinearTask, NetworkTask
from unlearners.pcmu.unlearner import Pcmu, PcmuModel, read_model, write_model
from unlearners.promise import ExactRetrain, Indistinguishable, NothingPromised
from unlearners.protocol import ForgetRequest, Refused, Unlearner
from unlearners.verification import verify

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MAJORITY = PcmuSettings("majority", sigma=0.02, threshold=0.02, steps=2, rate=0.1)
SAMPLED = PcmuSettings("sampled", sigma=0.3, threshold=0.1, steps=25, rate=0.1, epsilon=5.0, delta=1e-3)


def blobs(rows=100, classes=2, features=2):
    """Make noisy classes around well separated directions, scaled to unit rows."""
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % classes
    centres = np.vstack([-np.ones(features), np.ones(features), np.eye(features)])
    points = centres[labels] + 0.3 * rng.standard_normal((rows, features))
    return Dataset(points, labels, tuple("abcd"[:classes])).with_unit_rows()


def pcmu(settings, task=None, **options):
    """Make one with a fixed clock."""
    return Pcmu(LinearTask(blobs()) if task is None else task, settings, now=lambda: NOW, **options)


def perceptron(features=2, classes=2):
    """Return a way to build a small network."""
    return lambda: nn.Sequential(nn.Linear(features, 4), nn.Tanh(), nn.Linear(4, classes))


def rows(first, last):
    """Ask to forget a range."""
    return ForgetRequest(tuple(range(first, last)))


def test_a_pcmu_is_an_unlearner():
    """It fits the protocol, statically and by name."""
    one: Unlearner[PcmuModel] = pcmu(MAJORITY)
    assert "pcmu" == one.name


@pytest.mark.parametrize("settings", [MAJORITY, SAMPLED])
def test_requests_within_the_budget_cost_nothing_and_the_first_beyond_is_refused(settings):
    """The weights stay the same bits; the refusal says what to do and changes nothing."""
    unlearner = pcmu(settings)
    model = unlearner.train(seed=1)
    budget = unlearner.budget(model)
    assert budget >= 2
    done = unlearner.unlearn(model, [rows(0, 1), rows(1, budget)])
    assert done.model.weights.tobytes() == model.weights.tobytes()
    assert 0 == done.certificate.gradients_spent
    assert (Served((0,), 0.0), Served(tuple(range(1, budget)), 0.0)) == done.certificate.served
    assert 0 == done.certificate.remaining.rows
    with pytest.raises(Refused, match=f"1 more are asked for, and the budget is {budget}: retrain") as refused:
        unlearner.unlearn(done.model, [rows(50, 51)])
    assert "the rows forgotten so far are within the certified budget" == refused.value.assumption
    assert () == model.served


def test_what_is_served_within_the_budget_equals_retraining_bit_for_bit():
    """The majority variant: train anew without the rows."""
    data = blobs()
    unlearner = pcmu(MAJORITY, LinearTask(data))
    model = unlearner.train(seed=1)
    budget = unlearner.budget(model)
    gone = np.flatnonzero(data.labels == 1)[:budget]
    again = pcmu(MAJORITY, LinearTask(data.take(np.setdiff1d(np.arange(data.rows), gone)))).train(seed=1)
    assert again.weights.tobytes() == model.weights.tobytes()


def test_a_budget_of_zero_refuses_the_first_row():
    """Many steps on many weights leave no room, and the certificate says 0."""
    settings = PcmuSettings("majority", sigma=0.01, threshold=0.005, steps=50, rate=0.3)
    unlearner = pcmu(settings, LinearTask(blobs(features=8)))
    model = unlearner.train(seed=0)
    assert ExactRetrain(0, 0.0) == unlearner.certificate(model).promise
    with pytest.raises(Refused, match="the budget is 0"):
        unlearner.unlearn(model, [rows(0, 1)])


def test_training_is_the_same_for_a_seed_and_goes_on_after_a_crash(tmp_path):
    """Interrupted after 17 of 25 steps, the sampled variant ends in the same weights."""
    whole = pcmu(SAMPLED).train(seed=7)
    taken = []

    def crash(phase, done, total):
        taken.append(done)
        if done == 17 and len(taken) == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pcmu(SAMPLED, directory=tmp_path).train(seed=7, progress=crash)
    again = pcmu(SAMPLED, directory=tmp_path).train(seed=7, progress=crash)
    assert whole.weights.tobytes() == again.weights.tobytes()
    assert [*range(1, 18), *range(11, 26)] == taken
    assert pcmu(SAMPLED).train(seed=8).weights.tobytes() != whole.weights.tobytes()


def test_a_resumed_majority_training_remembers_the_smallest_radius(tmp_path):
    """Else its budget could grow by a crash."""
    settings = PcmuSettings("majority", sigma=0.1, threshold=0.1, steps=30, rate=0.3)
    whole = pcmu(settings, directory=tmp_path).train(seed=0)
    assert whole.smallest_radius == pcmu(settings, directory=tmp_path).train(seed=0).smallest_radius
    assert np.isfinite(whole.smallest_radius)


def test_a_seed_that_was_drawn_is_kept_out_of_the_certificate():
    """The noise must stay secret."""
    unlearner = pcmu(SAMPLED)
    assert unlearner.certificate(unlearner.train()).seed is None
    given = unlearner.certificate(unlearner.train(seed=3))
    assert None is given.seed
    assert ["its seed stands in it"] == [problem[:21] for problem in verify(sealed(replace(given, seed=3)))]


@pytest.mark.parametrize("settings", [MAJORITY, SAMPLED])
def test_a_certificate_survives_its_json_and_is_computed_again(settings):
    """And what it promises follows from its own numbers."""
    unlearner = pcmu(settings)
    certificate = unlearner.unlearn(unlearner.train(seed=1), [rows(0, 2)]).certificate
    assert certificate == UnlearningCertificate.from_json(certificate.to_json())
    assert () == verify(certificate)
    assert "retrain on the rows that are left" in explain(certificate)


@pytest.mark.parametrize(
    ("settings", "change", "problem"),
    [
        (MAJORITY, {"smallest_radius": 9.0}, "budget should be"),
        (MAJORITY, {"clip": 1e-3}, "budget should be"),
        (SAMPLED, {"sigma": 0.01}, "budget should be 0"),
        (SAMPLED, {"epsilon_reached": 0.0}, "epsilon_reached"),
    ],
)
def test_an_edited_certificate_is_found_out(settings, change, problem):
    """Even where its digest was recomputed."""
    unlearner = pcmu(settings)
    honest = unlearner.unlearn(unlearner.train(seed=1), [rows(0, 2)]).certificate
    edited = sealed(replace(honest, parameters={**honest.parameters, **change}))
    assert any(problem in found for found in verify(edited))


def test_more_rows_than_the_budget_in_a_certificate_are_found_out():
    """Someone appended a request."""
    unlearner = pcmu(SAMPLED)
    honest = unlearner.certificate(unlearner.train(seed=1))
    edited = sealed(replace(honest, served=(Served(tuple(range(90)), 0.0),), remaining=Limited(1, "x")))
    assert any("beyond the budget" in found for found in verify(edited))


def test_the_promises_name_what_they_are():
    """Exact retraining with certainty, or with sampling's failure, or (ε, δ) by zCDP for deletion."""
    drawn = PcmuSettings("majority", sigma=0.02, threshold=0.02, steps=2, rate=0.1, draws=2000, failure=0.01)
    exact, sampled, noisy = (
        pcmu(settings).certificate(pcmu(settings).train(seed=1)).promise for settings in (MAJORITY, drawn, SAMPLED)
    )
    assert 0.0 == exact.failure
    assert 0.01 == sampled.failure
    assert 1 <= sampled.rows <= exact.rows
    assert Indistinguishable(5.0, 1e-3, "deletion", "zcdp") == noisy


@pytest.mark.parametrize(
    ("request_", "words"),
    [(ForgetRequest((100,)), "no row 100"), (ForgetRequest((0,)), "forgotten already")],
)
def test_a_row_that_cannot_be_forgotten_is_refused(request_, words):
    """One that is not there, one that is gone."""
    unlearner = pcmu(MAJORITY)
    once = unlearner.unlearn(unlearner.train(seed=1), [rows(0, 1)]).model
    with pytest.raises(Refused, match=words):
        unlearner.unlearn(once, [request_])


def test_a_model_of_other_settings_is_refused():
    """A promise binds data and settings."""
    with pytest.raises(Refused, match="it was trained on others"):
        pcmu(SAMPLED).budget(pcmu(MAJORITY).train(seed=1))


def test_a_single_row_is_too_few():
    """None could be deleted."""
    with pytest.raises(Refused, match="at least two rows"):
        LinearTask(Dataset(np.ones((1, 1)), np.array([0]), ("a", "b")))


def test_a_row_longer_than_one_is_refused():
    """The loss's gradient bound would not hold."""
    with pytest.raises(Refused, match="norm at most 1"):
        LinearTask(Dataset(np.full((2, 2), 3.0), np.array([0, 1]), ("a", "b")))


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(4), nn.Dropout(0.1)])
def test_a_layer_by_which_rows_meet_or_chance_enters_is_refused(layer):
    """A row's gradient must be its own."""
    with pytest.raises(Refused, match=type(layer).__name__):
        NetworkTask(blobs(), lambda: nn.Sequential(nn.Linear(2, 4), layer, nn.Linear(4, 2)))


@pytest.mark.parametrize("clip", [1e-2, 1e3])
def test_a_networks_gradients_are_those_of_each_row_by_itself(clip):
    """Against plain backpropagation, row by row, clipped by hand."""
    data = blobs(rows=7)
    task = NetworkTask(data, perceptron(), clip=clip, chunk=3)
    weights = task.start(5)
    module = perceptron()().double()
    nn.utils.vector_to_parameters(torch.from_numpy(weights), module.parameters())
    expected = []
    for row, label in zip(torch.from_numpy(data.features), torch.from_numpy(data.labels), strict=True):
        module.zero_grad()
        nn.functional.cross_entropy(module(row[None]), label[None]).backward()
        found = torch.cat([value.grad.flatten() for value in module.parameters()])
        expected.append((found * min(1.0, clip / float(found.norm()))).numpy())
    alive = np.arange(7) != 2
    assert np.allclose(np.array(expected), task.gradients(weights), atol=1e-14)
    assert np.allclose(np.delete(expected, 2, axis=0).mean(axis=0), task.mean_gradient(weights, alive), atol=1e-14)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_a_heads_mean_gradient_is_the_mean_of_its_rows_gradients(classes, clip):
    """Two computations of one number, and no row is longer than the clip."""
    task = LinearTask(blobs(rows=30, classes=classes), clip=clip)
    weights = np.random.default_rng(2).standard_normal(task.size)
    alive = np.arange(30) % 4 > 0
    found = task.gradients(weights)
    assert np.linalg.norm(found, axis=1).max() <= task.clip * (1 + 1e-12)
    assert np.allclose(found[alive].mean(axis=0), task.mean_gradient(weights, alive), atol=1e-15)


@pytest.mark.parametrize("make", [lambda d: LinearTask(d), lambda d: NetworkTask(d, perceptron())])
def test_what_is_trained_tells_the_classes_apart(make):
    """A head and a network, in both variants."""
    data = blobs()
    for settings in (SAMPLED, PcmuSettings("majority", sigma=0.02, threshold=0.02, steps=25, rate=0.1)):
        task = make(data)
        weights = Pcmu(task, settings).train(seed=0).weights
        assert np.mean(task.predictions(weights, data.features) == data.labels) >= 0.95


def test_the_sampled_variant_has_no_exact_budget():
    """Its codes are chance."""
    with pytest.raises(ValueError, match="majority variant in closed form"):
        exact_budget(LinearTask(blobs()), SAMPLED, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"variant": "voted"},
        {"steps": 0},
        {"rate": 0.0},
        {"sigma": 0.0},
        {"threshold": -1.0},
        {"failure": 1.0},
        {"epsilon": 0.0},
        {"variant": "majority", "threshold": 0.04},
        {"draws": 10},
    ],
)
def test_settings_that_mean_nothing_are_refused(change):
    """Each by a ValueError."""
    known = {"variant": "sampled", "sigma": 0.1, "threshold": 0.05, "steps": 3, "rate": 0.1}
    with pytest.raises(ValueError, match=r"variant|step|rate|sigma|failure|epsilon|threshold"):
        PcmuSettings(**{**known, **change})


def test_noise_that_covers_no_row_promises_nothing():
    """A budget of 0 is said, with what to do; it verifies, and refuses the first row."""
    unlearner = pcmu(replace(SAMPLED, sigma=0.01, steps=100, epsilon=1.0))
    model = unlearner.train(seed=1)
    certificate = unlearner.certificate(model)
    assert isinstance(certificate.promise, NothingPromised)
    assert "budget at the (epsilon, delta) aimed at is 0 rows" in explain(certificate)
    assert (0, ()) == (certificate.remaining.rows, verify(certificate))
    with pytest.raises(Refused, match="the budget is 0"):
        unlearner.unlearn(model, [rows(0, 1)])


def test_every_drawn_seed_and_key_is_another_and_stays_drawn_in_the_file(tmp_path):
    """Two trainings differ in both; what is read back still keeps its seed out of the certificate."""
    unlearner = pcmu(SAMPLED)
    one, two = (unlearner.train() for _ in range(2))
    assert (one.seed, one.data_key) != (two.seed, two.data_key)
    assert one.seed != two.seed
    assert one.data_key != two.data_key
    write_model(tmp_path / "m.npz", one)
    again = read_model(tmp_path / "m.npz")
    assert unlearner.unlearn(again, [rows(0, 1)]).certificate.seed is None
    assert unlearner.certificate(one) == unlearner.certificate(again)


def test_the_draws_failure_is_among_the_assumptions():
    """Where codes are found by draws, and only there."""
    drawn = PcmuSettings("majority", sigma=0.02, threshold=0.02, steps=2, rate=0.1, draws=2000, failure=0.01)
    told = [pcmu(settings).certificate(pcmu(settings).train(seed=1)).assumptions for settings in (drawn, MAJORITY)]
    assert [1, 0] == [sum("the draws by which the codes were found" in one for one in each) for each in told]
