"""The Langevin unlearner: exact bookkeeping, resuming, refusing, and its certificate."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from unlearners.certificate import Served, UnlearningCertificate, keyed_digest, sealed
from unlearners.data import Dataset
from unlearners.langevin.baselines import accuracy
from unlearners.langevin.settings import LangevinSettings
from unlearners.langevin.unlearner import Langevin, read_model, write_model
from unlearners.losses import Multinomial
from unlearners.promise import Indistinguishable, NothingPromised
from unlearners.protocol import ForgetRequest, Refused, Unlearner
from unlearners.verification import verify

SETTINGS = LangevinSettings(
    epsilon=1.0, delta=1e-3, sigma=0.05, batch=50, convexity=0.05, training_epochs=12, radius=10.0
)
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def blobs(rows=200, classes=2, seed=0):
    """Make classes around well separated directions, scaled to unit rows."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    features = 3 * np.eye(5)[labels] + 0.5 * rng.standard_normal((rows, 5))
    return Dataset(features, labels, tuple("abcde"[:classes])).with_unit_rows()


def unlearner(data=None, settings=SETTINGS, **options):
    """Make one with a fixed clock."""
    return Langevin(blobs() if data is None else data, settings, now=lambda: NOW, **options)


REQUESTS = (ForgetRequest((3,)), ForgetRequest((10, 11)))


@pytest.mark.parametrize("classes", [2, 4])
def test_it_learns_and_still_knows_after_forgetting(classes):
    """Two classes and several are one case."""
    one: Unlearner = unlearner(blobs(classes=classes))
    model = one.train(seed=1)
    after = one.unlearn(model, REQUESTS).model
    for each in (model, after):
        assert accuracy(each.weights[None], blobs(seed=9, classes=classes), one.loss)[0] > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    """Deterministic in training and unlearning."""
    one, again, other = (unlearner().train(seed=seed) for seed in (1, 1, 2))
    assert one.weights.tobytes() == again.weights.tobytes() != other.weights.tobytes()
    first, second = (unlearner().unlearn(one, REQUESTS) for _ in range(2))
    assert first.model.weights.tobytes() == second.model.weights.tobytes()
    assert first.certificate == second.certificate


def test_a_forgotten_row_has_no_say_in_any_epoch_after_it():
    """From one model, forgetting it and then another is the same whatever the row's features were."""
    loud = replace(SETTINGS, sigma=0.5)  # one epoch suffices for each
    one = unlearner(settings=loud)
    model = one.train(seed=1)
    features = one.data.features.copy()
    features[3] *= -1
    other = unlearner(replace(one.data, features=features), loud)
    requests = [ForgetRequest((3,)), ForgetRequest((4,))]
    done = [each.unlearn(replace(model, bound_to=each.bound_to), requests) for each in (one, other)]
    assert [1.0, 1.0] == [served.epochs for served in done[0].certificate.served]
    assert done[0].model.weights.tobytes() == done[1].model.weights.tobytes()
    kept = [each.unlearn(replace(model, bound_to=each.bound_to), requests[1:]) for each in (one, other)]
    assert np.abs(kept[0].model.weights - kept[1].model.weights).max() > 1e-4


def test_a_model_is_left_as_it_is():
    """Unlearning returns a new one, so that the old one can be served on."""
    one = unlearner()
    model = one.train(seed=1)
    before = model.weights.copy()
    one.unlearn(model, REQUESTS)
    assert before.tobytes() == model.weights.tobytes()
    assert () == model.served


def test_requests_can_come_together_or_one_after_another():
    """The state that is kept between calls is enough."""
    one = unlearner()
    model = one.train(seed=1)
    together = one.unlearn(model, REQUESTS)
    first = one.unlearn(model, REQUESTS[:1])
    second = one.unlearn(first.model, REQUESTS[1:])
    assert together.model.weights.tobytes() == second.model.weights.tobytes()
    assert together.certificate == second.certificate


class Crash(Exception):
    """The machine goes down."""


def crash_at(phase, epoch):
    """Return a progress callback that raises there."""

    def progress(what, done, total):
        if (what, done) == (phase, epoch):
            raise Crash

    return progress


@pytest.mark.parametrize("epoch", [1, 7, 12])
def test_training_goes_on_where_it_was_interrupted(tmp_path, epoch):
    """The weights are those of an uninterrupted run, and the epochs before are not run again."""
    with pytest.raises(Crash):
        unlearner(directory=tmp_path).train(seed=1, progress=crash_at("train", epoch))
    seen = []
    resumed = unlearner(directory=tmp_path).train(seed=1, progress=lambda what, done, total: seen.append(done))
    assert unlearner().train(seed=1).weights.tobytes() == resumed.weights.tobytes()
    assert list(range(epoch + 1, 13)) == seen


def test_unlearning_goes_on_where_it_was_interrupted(tmp_path):
    """Also in the second request."""
    one = unlearner(directory=tmp_path)
    model = one.train(seed=1)
    expected = unlearner().unlearn(model, REQUESTS)
    for epoch in (1, 2):
        with pytest.raises(Crash):
            one.unlearn(model, REQUESTS, progress=crash_at("unlearn", epoch))
    assert expected.model.weights.tobytes() == one.unlearn(model, REQUESTS).model.weights.tobytes()


def test_progress_of_another_run_is_not_taken_up(tmp_path):
    """Another seed, other data or other settings start from the beginning."""
    unlearner(directory=tmp_path).train(seed=1)
    assert (
        unlearner().train(seed=2).weights.tobytes()
        == unlearner(directory=tmp_path).train(seed=2).weights.tobytes()
    )


def test_a_drawn_seed_is_kept_secret_and_survives_a_crash_and_a_file(tmp_path):
    """The certificate does not name it, also not after forgetting from the file."""
    with pytest.raises(Crash):
        unlearner(directory=tmp_path).train(progress=crash_at("train", 5))
    one = unlearner(directory=tmp_path)
    model = one.train()
    assert unlearner().train(seed=model.seed).weights.tobytes() == model.weights.tobytes()
    write_model(tmp_path / "m.npz", model)
    certificate = one.unlearn(read_model(tmp_path / "m.npz"), REQUESTS).certificate
    assert certificate.seed is None
    assert str(model.seed) not in certificate.to_json()


def test_every_drawn_seed_is_another():
    """Of many bits, so that it cannot be guessed."""
    seeds = [unlearner().train().seed for _ in range(3)]
    assert 3 == len(set(seeds))
    assert max(seeds).bit_length() > 100


def test_the_digest_of_the_data_needs_the_models_key():
    """Guesses at the data cannot be held against the certificate alone; two trainings have two digests."""
    one = unlearner()
    models = [one.train(seed=1) for _ in range(2)]
    digests = [one.certificate(model).data.sha256 for model in models]
    assert [keyed_digest(model.data_key, one.data.sha256) for model in models] == digests
    assert 3 == len({one.data.sha256, *digests})
    assert one.unlearn(models[0], REQUESTS).certificate.data.sha256 == digests[0]


def test_the_certificate_says_what_was_done():
    """Promise, data, gradients as run, and a check that finds nothing wrong, also after a round trip."""
    one = unlearner()
    certificate = one.unlearn(one.train(seed=1), REQUESTS).certificate
    assert Indistinguishable(1.0, 1e-3, "deletion", "tight") == certificate.promise
    assert (200, 5) == (certificate.data.rows, certificate.data.features)
    assert [(3,), (10, 11)] == [served.rows for served in certificate.served]
    assert 200 * sum(served.epochs for served in certificate.served) == certificate.gradients_spent
    assert (200 * 12, None) == (certificate.training_gradients, certificate.seed)
    assert () == verify(certificate)
    again = UnlearningCertificate.from_json(certificate.to_json())
    assert (certificate, ()) == (again, verify(again))


def test_accounting_for_replacement_promises_deletion_for_it_is_what_is_run():
    """With the larger distance, so in more epochs or closer."""
    by_replacement = unlearner(settings=replace(SETTINGS, adjacency="replacement"))
    one, other = (each.unlearn(each.train(seed=1), REQUESTS).certificate for each in (by_replacement, unlearner()))
    assert Indistinguishable(1.0, 1e-3, "deletion", "tight") == one.promise
    assert ("replacement", ()) == (one.parameters["adjacency"], verify(one))
    assert sum(served.epochs for served in one.served) > sum(served.epochs for served in other.served)


def test_without_a_request_nothing_is_promised():
    """A trained model has forgotten nothing."""
    one = unlearner()
    certificate = one.certificate(one.train(seed=1))
    assert isinstance(certificate.promise, NothingPromised)
    assert () == verify(certificate)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: replace(c, promise=replace(c.promise, epsilon=0.5)), "not the one|epochs reach"),
        (lambda c: replace(c, parameters={**c.parameters, "sigma": 0.01}), "epochs reach"),
        (lambda c: replace(c, parameters={**c.parameters, "epsilon_reached": 0.1}), "epsilon_reached should be"),
        (lambda c: replace(c, served=(Served((3,), 1.0), Served(tuple(range(4, 54)), 1.0))), "epochs reach"),
        (lambda c: replace(c, gradients_spent=1), "gradient evaluations do not follow"),
        (lambda c: replace(c, seed=1), "its seed stands in it"),
        (lambda c: replace(c, parameters={}), "cannot be computed again|is missing"),
        (lambda c: replace(c, parameters={**c.parameters, "sigma": "much"}), "cannot be computed again"),
    ],
)
def test_a_false_certificate_is_found_out_by_computing_again(change, words):
    """Even when its id was made to match."""
    one = unlearner()
    false = sealed(change(one.unlearn(one.train(seed=1), REQUESTS).certificate))
    problems = verify(false)
    assert problems
    assert any(part in problem for problem in problems for part in words.split("|"))


def test_no_projection_is_recorded_as_such():
    """JSON has no infinity."""
    one = unlearner(settings=replace(SETTINGS, radius=float("inf")))
    certificate = one.unlearn(one.train(seed=1), REQUESTS).certificate
    assert "infinite" == json.loads(certificate.to_json())["parameters"]["radius"]
    assert () == verify(certificate)


def test_a_model_survives_its_file(tmp_path):
    """All that later requests need."""
    one = unlearner()
    model = one.unlearn(one.train(seed=2**127), REQUESTS[:1]).model
    write_model(tmp_path / "m.npz", model)
    again = read_model(tmp_path / "m.npz")
    for name in (
        *("seed", "seed_drawn", "bound_to", "served", "unlearning_gradients"),
        *("training_gradients", "data_key"),
    ):
        assert getattr(model, name) == getattr(again, name)
    assert model.weights.tobytes() == again.weights.tobytes()
    assert one.unlearn(model, REQUESTS[1:]).certificate == one.unlearn(again, REQUESTS[1:]).certificate


@pytest.mark.parametrize(
    ("requests", "words"),
    [
        ([ForgetRequest((200,))], "no row 200"),
        ([ForgetRequest((3,)), ForgetRequest((4, 3))], "forgotten already"),
        ([ForgetRequest(tuple(range(200)))], "every row"),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_before_any_work(requests, words):
    """Named, and nothing is run."""
    one = unlearner()
    model = one.train(seed=1)
    with pytest.raises(Refused, match=words):
        one.unlearn(model, requests, progress=crash_at("unlearn", 1))


def test_a_target_out_of_reach_is_refused():
    """A request that would take more epochs than allowed says so."""
    one = unlearner(settings=replace(SETTINGS, batch=200, sigma=0.005, most_epochs=5))
    with pytest.raises(Refused, match=r"needs [0-9]+ epochs, more than 5"):
        one.unlearn(one.train(seed=1), [ForgetRequest(tuple(range(50)))])


def test_data_that_violate_an_assumption_are_refused():
    """Rows too long, too few rows for a batch, a clip that breaks the contraction, a model of other data."""
    long = replace(blobs(), features=blobs().features * 2)
    with pytest.raises(Refused, match="normalise the rows"):
        unlearner(long)
    with pytest.raises(Refused, match="too few for batches of 50"):
        unlearner(blobs(rows=40))
    with pytest.raises(Refused, match="clip must be at least"):
        unlearner(settings=replace(SETTINGS, clip=1.0), loss=Multinomial(2))
    with pytest.raises(Refused, match="trained on others"):
        unlearner(blobs(seed=5)).unlearn(unlearner().train(seed=1), REQUESTS)
    with pytest.raises(Refused, match="trained on others"):
        unlearner(settings=replace(SETTINGS, sigma=0.06)).unlearn(unlearner().train(seed=1), REQUESTS)
    with pytest.raises(ValueError, match="nothing to forget"):
        unlearner().unlearn(unlearner().train(seed=1), [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"delta": 0.0}, "delta"),
        ({"training_epochs": 0}, "at least one epoch"),
        ({"adjacency": "addition"}, "adjacency"),
        ({"bound": "zcdp"}, "bound"),
        ({"convexity": -1.0}, "convexity"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, words):
    """Where they are made."""
    with pytest.raises(ValueError, match=words):
        replace(SETTINGS, **change)
