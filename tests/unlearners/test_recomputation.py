"""Every field of a certificate that follows from others is computed again: edited, it is found out."""

from dataclasses import replace

import pytest

from tests.unlearners.langevin.test_unlearner import REQUESTS, unlearner
from tests.unlearners.pcmu.test_unlearner import MAJORITY, SAMPLED, pcmu, rows
from unlearners.certificate import Limited, Served, Unlimited, sealed
from unlearners.promise import ExactRetrain, NothingPromised
from unlearners.verification import verify


@pytest.fixture(scope="module")
def langevin():
    """Make an honest certificate of two requests."""
    one = unlearner()
    return one.unlearn(one.train(seed=1), REQUESTS).certificate


@pytest.fixture(scope="module")
def sampled():
    """Make an honest certificate of a noisy training."""
    one = pcmu(SAMPLED)
    return one.unlearn(one.train(seed=1), [rows(0, 2)]).certificate


@pytest.fixture(scope="module")
def majority():
    """Make an honest certificate of an exact training."""
    one = pcmu(MAJORITY)
    return one.unlearn(one.train(seed=1), [rows(0, 2)]).certificate


def parameters(**changed):
    """Edit parameters; None takes one away."""
    return lambda c: replace(
        c, parameters={name: v for name, v in {**c.parameters, **changed}.items() if v is not None}
    )


def fields(**changed):
    """Edit fields, each by a value or a function of the certificate."""
    return lambda c: replace(c, **{name: v(c) if callable(v) else v for name, v in changed.items()})


SHARED = {
    "promise": fields(promise=NothingPromised("shy")),
    "other promise": fields(promise=ExactRetrain(90, 0.0)),
    "no assumptions": fields(assumptions=()),
    "one assumption less": fields(assumptions=lambda c: c.assumptions[:-1]),
    "other assumptions": fields(assumptions=("it holds for whoever sees all models",)),
    "remaining": fields(remaining=Limited(10**9, "never")),
    "remaining note": fields(remaining=Unlimited("each is free")),
    "training gradients": fields(training_gradients=10**12),
    "gradients": fields(gradients_spent=5),
    "rows": fields(data=lambda c: replace(c.data, rows=2000)),
    "row not there": fields(served=lambda c: (replace(c.served[0], rows=(10**9,)), *c.served[1:])),
    "row twice": fields(served=lambda c: (c.served[0], replace(c.served[0]))),
    "row twice in one": fields(served=(Served((3, 3), 1.0),)),
    "negative row": fields(served=(Served((-1,), 1.0),)),
    "no row": fields(served=(Served((), 1.0),)),
    "part of an epoch": fields(served=lambda c: (replace(c.served[0], epochs=c.served[0].epochs + 0.5),)),
    "epsilon": parameters(epsilon=0.5),
    "delta": parameters(delta=1e-9),
    "sigma": parameters(sigma=5.0),
    "a stranger": parameters(speed=1.0),
    "reached": parameters(epsilon_reached=0.1),
    "clip": parameters(clip=1e-3),
    "no clip": parameters(clip=None),
    "text for a number": parameters(sigma="0.05"),
    "truth for a number": parameters(epsilon=True),
}

LANGEVIN = {
    **SHARED,
    "smoothness": parameters(smoothness=30.0),
    "no smoothness": parameters(smoothness=None),
    "loss": parameters(loss="multinomial"),
    "unknown loss": parameters(loss="whatever"),
    "batch": parameters(batch=100),
    "batch beyond the rows": parameters(batch=10_000),
    "convexity": parameters(convexity=0.2),
    "radius": parameters(radius=1e-9),
    "training epochs": parameters(training_epochs=1),
    "adjacency": parameters(adjacency="replacement"),
    "bound": parameters(bound="published"),
    "most epochs": parameters(most_epochs=0),
    "of units": parameters(of_units=True),
    "centre": parameters(centre="00"),
}


@pytest.mark.parametrize("name", sorted(LANGEVIN))
def test_an_edited_langevin_certificate_is_found_out(langevin, name):
    """One field at a time, sealed anew."""
    assert () == verify(langevin)
    assert verify(sealed(LANGEVIN[name](langevin)))


CONSISTENT = ({"smoothness": 30.0}, {"clip": 1e-6}, {"loss": "multinomial", "clip": 0.01}, {"smoothness": 0.06})


@pytest.mark.parametrize("changed", CONSISTENT)
def test_constants_that_the_loss_does_not_have_are_found_out_beside_a_fitting_epsilon(langevin, changed):
    """Whatever ε is then said to be reached: the process is the one that a run builds."""
    for reached in (1e-6, 0.01, 0.999, langevin.parameters["epsilon_reached"]):
        assert verify(sealed(parameters(**changed, epsilon_reached=reached)(langevin)))


PCMU = {
    **{name: change for name, change in SHARED.items() if name not in ("epsilon", "delta", "reached")},
    "variant": parameters(variant="sampled"),
    "budget": parameters(budget=90),
    "steps": parameters(steps=1),
    "threshold": parameters(threshold=-1.0),
    "model": parameters(model="linear, multinomial"),
    "unknown model": parameters(model="magic"),
    "units": parameters(model="linear, softmax on units, from 00"),
    "draws": parameters(draws=100),
    "epochs": fields(served=lambda c: tuple(replace(one, epochs=1.0) for one in c.served)),
    "beyond the budget": fields(served=(Served(tuple(range(99)), 0.0),)),
}


@pytest.mark.parametrize("name", sorted({*PCMU, "smallest radius"}))
def test_an_edited_majority_certificate_is_found_out(majority, name):
    """One field at a time, sealed anew."""
    assert () == verify(majority)
    change = PCMU.get(name, parameters(smallest_radius=9.0))
    assert verify(sealed(change(majority)))


@pytest.mark.parametrize("name", sorted({*PCMU, "epsilon", "delta", "reached"} - {"variant"}))
def test_an_edited_sampled_certificate_is_found_out(sampled, name):
    """One field at a time, sealed anew."""
    assert () == verify(sampled)
    assert verify(sealed({**SHARED, **PCMU}[name](sampled)))


def test_a_clip_that_the_model_does_not_have_is_found_out_beside_a_fitting_budget(sampled):
    """A tenth of the clip gives ten times the budget."""
    bold = parameters(clip=0.1, budget=sampled.parameters["budget"] * 10)(sampled)
    assert any("the clip of the model 'linear, logistic' is 1" in problem for problem in verify(sealed(bold)))
