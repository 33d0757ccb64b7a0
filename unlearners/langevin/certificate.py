"""The certificate of Langevin unlearning: written from what was done, and computed again from what it says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from unlearners.bags import BAGGED, PUBLIC_START, Bags
from unlearners.certificate import DataSeen, Served, UnlearningCertificate, Unlimited, sealed
from unlearners.data import UNIT_ROWS, Dataset
from unlearners.langevin.accounting import Process, epochs_from_anywhere
from unlearners.langevin.plan import worst_epsilon
from unlearners.langevin.settings import LangevinSettings
from unlearners.losses import ConvexLoss
from unlearners.promise import Indistinguishable, NothingPromised, Promise

__all__ = ["METHOD", "certify", "recompute"]

METHOD = "langevin"

ASSUMPTIONS = (
    UNIT_ROWS + " (checked), whatever they would have been for the forgotten ones",
    "the features come from something that never learned the forgotten rows, such as a public backbone",
    "the order of the rows, the start and the noise were drawn independently of the data and stay secret",
    "the noise is Gaussian; 64-bit numbers stand in for real ones",
    "which rows were asked to be forgotten does not depend on models published before",
    "whoever tests sees this model alone, not together with those published before a request",
    "retraining means the same process from the start, without the forgotten rows, for as many epochs in all",
)


def certify(
    settings: LangevinSettings,
    process: Process,
    data: Dataset | Bags,
    loss: ConvexLoss,
    *,
    centre: str | None,
    served: Sequence[Served],
    gradients: int,
    created: datetime,
) -> UnlearningCertificate:
    """Write the certificate of a model that has served these requests; ``centre`` is its start's digest."""
    bags = (BAGGED,) if isinstance(data, Bags) else ()
    public = () if centre is None else (PUBLIC_START,)
    return sealed(
        UnlearningCertificate(
            id="",
            created=created.isoformat(),
            method=METHOD,
            promise=_promise(settings, bool(served)),
            data=DataSeen(data.sha256, data.rows, data.width),
            parameters=_parameters(settings, process, loss, worst_epsilon(settings, process, served))
            | ({} if centre is None else {"centre": centre}),
            assumptions=(*bags, *public, *ASSUMPTIONS),
            served=tuple(served),
            remaining=Unlimited(_note(settings, process)),
            gradients_spent=gradients,
            training_gradients=data.rows * settings.training_epochs,
            seed=None,  # whoever knows it can take the noise off
        )
    )


def _promise(settings: LangevinSettings, served: bool) -> Promise:
    if not served:
        return NothingPromised("no request has been served yet")
    # A run empties slots, whichever distance it accounts for: that of replacement is twice as large, so that it
    # covers a deletion, but retraining with another row in place would run its last epochs on other data.
    return Indistinguishable(settings.epsilon, settings.delta, "deletion", settings.bound)


def _parameters(
    settings: LangevinSettings, process: Process, loss: ConvexLoss, reached: float
) -> dict[str, bool | int | float | str]:
    parameters = dict(settings.parameters()) | {
        "loss": loss.name,
        "smoothness": process.smoothness,
        "clip": process.clip,
    }
    if math.isfinite(reached):
        parameters["epsilon_reached"] = reached
    return parameters


def _note(settings: LangevinSettings, process: Process) -> str:
    if math.isinf(process.radius):
        return "each takes as many epochs as the accountant finds when it comes"
    most = epochs_from_anywhere(process, settings.epsilon, settings.delta, settings.bound)
    return f"none takes more than {most} epochs, which would forget everything"


def recompute(certificate: UnlearningCertificate) -> tuple[str, ...]:
    """Account again for what the certificate says was done, and return what disagrees."""
    settings, process = _settings(certificate.parameters), _process(certificate)
    problems = []
    if certificate.gradients_spent != certificate.data.rows * sum(int(one.epochs) for one in certificate.served):
        problems.append("the gradient evaluations do not follow from the epochs")
    if not isinstance(certificate.promise, Indistinguishable):
        return tuple(problems)
    if certificate.seed is not None:
        problems.append("its seed stands in it, by which the noise that it rests on can be taken off")
    if certificate.promise != _promise(settings, bool(certificate.served)):
        problems.append("the promise is not the one that the parameters aim at")
    reached = worst_epsilon(settings, process, certificate.served)
    if not reached <= certificate.promise.epsilon:
        problems.append(
            f"the epochs reach epsilon {reached:.6g}, not the promised {certificate.promise.epsilon:g}"
        )
    if not math.isclose(reached, float(certificate.parameters["epsilon_reached"]), rel_tol=1e-9):
        problems.append(f"epsilon_reached should be {reached:.12g}")
    return tuple(problems)


def _settings(parameters: Mapping[str, bool | int | float | str]) -> LangevinSettings:
    names = LangevinSettings.__dataclass_fields__
    known = {name: value for name, value in parameters.items() if name in names}
    if known.get("radius") == "infinite":
        known["radius"] = math.inf
    return LangevinSettings(**known)  # type: ignore[arg-type]  # the class checks its values


def _process(certificate: UnlearningCertificate) -> Process:
    settings = _settings(certificate.parameters)
    smoothness, clip = certificate.parameters["smoothness"], certificate.parameters["clip"]
    return Process(
        certificate.data.rows,
        settings.batch,
        settings.convexity,
        float(smoothness),
        settings.sigma,
        float(clip),
        settings.radius,
    )
