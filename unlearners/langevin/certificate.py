"""The certificate of Langevin unlearning: written from what was done, and computed again from what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unlearners.bags import BAGGED, PUBLIC_START
from unlearners.certificate import (
    DataSeen,
    Parameter,
    Served,
    UnlearningCertificate,
    Unlimited,
    sealed,
)
from unlearners.data import PUBLIC_CLASSES, UNIT_ROWS
from unlearners.fields import field, optional
from unlearners.langevin.accounting import Process, epochs_from_anywhere
from unlearners.langevin.plan import worst_epsilon
from unlearners.langevin.settings import LangevinSettings
from unlearners.losses import ConvexLoss, loss_called
from unlearners.promise import Indistinguishable, NothingPromised, Promise
from unlearners.recipe import settings_of
from unlearners.recomputation import differences, served_problems

__all__ = ["METHOD", "Ran", "certify", "process_of", "recompute"]

METHOD = "langevin"

ASSUMPTIONS = (
    UNIT_ROWS + " (checked), whatever they would have been for the forgotten ones",
    PUBLIC_CLASSES,
    "the features come from something that never learned the forgotten rows, such as a public backbone",
    "the order of the rows, the start and the noise were drawn independently of the data and stay secret",
    "the noise is Gaussian; 64-bit numbers stand in for real ones",
    "which rows were asked to be forgotten does not depend on models published before",
    "whoever tests sees this model alone, not together with those published before a request",
    "retraining means the same process from the start for as many epochs in all, with the forgotten rows' slots "
    "empty: the same order of the others, the same batches and divisor",
)


@dataclass(frozen=True, slots=True)
class Ran:
    """What was run: whether rows are units of tokens (``of_units``), the public start's digest, the requests.

    Gradients are those counted in unlearning and in training.
    """

    data: DataSeen
    of_units: bool
    centre: str | None
    served: tuple[Served, ...]
    gradients: int
    training_gradients: int
    created: str


def certify(settings: LangevinSettings, loss: ConvexLoss, ran: Ran) -> UnlearningCertificate:
    """Write the certificate of a model that has served these requests. Raises ``Refused`` as the process does."""
    process = settings.process(ran.data.rows, loss)
    bags = (BAGGED,) if ran.of_units else ()
    public = () if ran.centre is None else (PUBLIC_START,)
    return sealed(
        UnlearningCertificate(
            id="",
            created=ran.created,
            method=METHOD,
            promise=_promise(settings, bool(ran.served)),
            data=ran.data,
            parameters=_parameters(settings, process, loss, ran),
            assumptions=(*bags, *public, *ASSUMPTIONS),
            served=ran.served,
            remaining=Unlimited(_note(settings, process)),
            gradients_spent=ran.gradients,
            training_gradients=ran.training_gradients,
            seed=None,  # whoever knows it can take the noise off
        )
    )


def _promise(settings: LangevinSettings, served: bool) -> Promise:
    if not served:
        return NothingPromised(
            "nothing has been forgotten yet. What `lethe unlearn` writes out of this says what it promises"
        )
    # A run empties slots, whichever distance it accounts for: that of replacement is twice as large, so that it
    # covers a deletion, but retraining with another row in place would run its last epochs on other data.
    return Indistinguishable(settings.epsilon, settings.delta, "deletion", settings.bound)


def _parameters(settings: LangevinSettings, process: Process, loss: ConvexLoss, ran: Ran) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = dict(settings.parameters()) | {
        "loss": loss.name,
        "smoothness": process.smoothness,
        "clip": process.clip,
        "of_units": ran.of_units,
    }
    if ran.centre is not None:
        parameters["centre"] = ran.centre
    reached = worst_epsilon(settings, process, ran.served)
    if math.isfinite(reached):
        parameters["epsilon_reached"] = reached
    return parameters


def _note(settings: LangevinSettings, process: Process) -> str:
    if math.isinf(process.radius):
        return "each takes as many epochs as the accountant finds when it comes"
    most = epochs_from_anywhere(process, settings.epsilon, settings.delta, settings.bound)
    return f"none takes more than {most} epochs, which would forget everything"


def recompute(certificate: UnlearningCertificate) -> tuple[str, ...]:
    """Write again what the parameters, the loss and the requests call for, and return what disagrees.

    The process is built as a run builds it, so that what a run refuses is a problem here.
    """
    parameters, served, rows = certificate.parameters, certificate.served, certificate.data.rows
    if problems := served_problems(rows, served, whole_epochs=True):
        return problems
    settings, loss = _set_to(certificate)
    ran = Ran(
        data=certificate.data,
        of_units=field(parameters, "of_units", bool),
        centre=optional(parameters, "centre", str),
        served=served,
        gradients=rows * sum(int(one.epochs) for one in served),
        training_gradients=rows * settings.training_epochs,
        created=certificate.created,
    )
    short = _short(settings, settings.process(rows, loss), certificate)
    return (*short, *differences(certificate, certify(settings, loss, ran)))


def process_of(certificate: UnlearningCertificate) -> tuple[LangevinSettings, Process]:
    """Return what the run was set to, and its process. Raises ``ValueError`` for parameters of another method."""
    settings, loss = _set_to(certificate)
    return settings, settings.process(certificate.data.rows, loss)


def _set_to(certificate: UnlearningCertificate) -> tuple[LangevinSettings, ConvexLoss]:
    parameters = certificate.parameters
    own = {name: parameters[name] for name in LangevinSettings.__dataclass_fields__}
    return settings_of(LangevinSettings, own), loss_called(field(parameters, "loss", str))


def _short(settings: LangevinSettings, process: Process, certificate: UnlearningCertificate) -> list[str]:
    """Say where the epochs fall short of the promise, or exceed what a request was allowed."""
    problems = []
    promise, reached = certificate.promise, worst_epsilon(settings, process, certificate.served)
    if isinstance(promise, Indistinguishable) and not reached <= promise.epsilon:
        problems.append(f"the epochs reach epsilon {reached:.6g}, not the promised {promise.epsilon:g}")
    if any(one.epochs > settings.most_epochs for one in certificate.served):
        problems.append(f"a request took more than the {settings.most_epochs} epochs allowed")
    return problems
