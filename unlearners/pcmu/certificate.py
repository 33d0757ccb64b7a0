"""PCMU's certificate: written from what was trained, and computed again from what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unlearners.bags import BAGGED, PUBLIC_START
from unlearners.certificate import DataSeen, Limited, Parameter, Served, UnlearningCertificate, sealed
from unlearners.data import PUBLIC_CLASSES, UNIT_ROWS
from unlearners.fields import field
from unlearners.pcmu.accounting import majority_budget, sampled_budget, sampled_epsilon
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.task import OF_UNITS, OWN_ROW, clip_called_for
from unlearners.promise import ExactRetrain, Indistinguishable, NothingPromised, Promise
from unlearners.recipe import settings_of
from unlearners.recomputation import differences, served_problems

__all__ = ["METHOD", "WITHIN_BUDGET", "Trained", "budget_of", "certify", "promise_of", "recompute"]

METHOD = "pcmu"

WITHIN_BUDGET = "the rows forgotten so far are within the certified budget"

AFTERWARDS = "retrain on the rows that are left, which gives a new budget"

SHARED = (
    "the features come from something that never learned the forgotten rows, such as a public backbone",
    f"{OWN_ROW}; every row's gradient is clipped to the norm stated (both checked)",
    "retraining means the same start, schedule and settings on the rows that are left, with the mean over those",
)
MAJORITY = (
    *SHARED,
    "start and settings were not chosen by looking at the forgotten rows",
    "rounding that depends on which other rows are there moves the mean of the rows' gradients, as the code "
    "makes them, by at most 1e-9 of the clip",
)
DRAWN = (
    "the draws by which the codes were found are independent of the data; retraining takes the likeliest codes, "
    "or fails as often once more where it finds them by draws"
)
SAMPLED = (
    *SHARED,
    "the noise is Gaussian, was drawn independently of the data and stays secret",
    "which rows were asked to be forgotten does not depend on the published model",
)
NO_BUDGET = (
    "the budget at the (epsilon, delta) aimed at is 0 rows, so that none can be forgotten without retraining; "
    "more noise, fewer steps or more rows would give one"
)


@dataclass(frozen=True, slots=True)
class Trained:
    """What the promise is computed from: the model, n, the clip M, the smallest radius (infinite if sampled)."""

    model: str
    rows: int
    clip: float
    smallest_radius: float


def budget_of(settings: PcmuSettings, trained: Trained) -> int:
    """Return how many rows can be forgotten in all under the promise, at no cost; 0 where none can."""
    if settings.variant == "majority":
        return majority_budget(trained.smallest_radius, trained.rows, trained.clip)
    return sampled_budget(
        settings.epsilon,
        settings.delta,
        rows=trained.rows,
        steps=settings.steps,
        clip=trained.clip,
        sigma=settings.sigma,
    )


def promise_of(settings: PcmuSettings, budget: int) -> Promise:
    """Return what is promised of a model within its budget."""
    if settings.variant == "majority":
        return ExactRetrain(budget, settings.failure if settings.draws else 0.0)
    if budget == 0:
        return NothingPromised(NO_BUDGET)
    return Indistinguishable(settings.epsilon, settings.delta, "deletion", "zcdp")


def certify(
    settings: PcmuSettings,
    trained: Trained,
    data: DataSeen,
    *,
    served: Sequence[Served],
    training_gradients: int,
    seed: int | None,
    created: str,
) -> UnlearningCertificate:
    """Write the certificate of a model that has served these requests."""
    budget = budget_of(settings, trained)
    gone = sum(len(one.rows) for one in served)
    return sealed(
        UnlearningCertificate(
            id="",
            created=created,
            method=METHOD,
            promise=promise_of(settings, budget),
            data=data,
            parameters=_parameters(settings, trained, budget, gone),
            assumptions=_assumptions(settings, trained.model),
            served=tuple(served),
            remaining=Limited(budget - gone, AFTERWARDS),
            gradients_spent=0,
            training_gradients=training_gradients,
            seed=seed if settings.variant == "majority" else None,  # else noise could be taken off by it
        )
    )


def _assumptions(settings: PcmuSettings, model: str) -> tuple[str, ...]:
    shared: tuple[str, ...] = SAMPLED if settings.variant == "sampled" else MAJORITY
    units = (BAGGED, PUBLIC_START) if model.startswith(OF_UNITS) else ()
    bounded = (UNIT_ROWS,) if model.startswith("linear") else ()
    return (*bounded, *units, PUBLIC_CLASSES, *shared, *((DRAWN,) if settings.draws else ()))


def _parameters(settings: PcmuSettings, trained: Trained, budget: int, gone: int) -> dict[str, Parameter]:
    own: dict[str, Parameter] = dict(settings.parameters())
    parameters = own | {"model": trained.model, "clip": trained.clip, "budget": budget}
    if settings.variant == "majority":
        return parameters | {"smallest_radius": trained.smallest_radius}
    return parameters | {"epsilon_reached": _reached(settings, trained, gone)}


def _reached(settings: PcmuSettings, trained: Trained, gone: int) -> float:
    return sampled_epsilon(
        gone, settings.delta, rows=trained.rows, steps=settings.steps, clip=trained.clip, sigma=settings.sigma
    )


def recompute(certificate: UnlearningCertificate) -> tuple[str, ...]:
    """Write again what the parameters, the model and the requests call for, and return what disagrees."""
    parameters, served, rows = certificate.parameters, certificate.served, certificate.data.rows
    if problems := served_problems(rows, served, whole_epochs=False):
        return problems
    settings = settings_of(PcmuSettings, {name: parameters[name] for name in PcmuSettings.__dataclass_fields__})
    radius = field(parameters, "smallest_radius", float) if settings.variant == "majority" else math.inf
    trained = Trained(field(parameters, "model", str), rows, field(parameters, "clip", float), radius)
    again = certify(
        settings,
        trained,
        certificate.data,
        served=[Served(one.rows, 0.0) for one in served],
        training_gradients=rows * settings.steps,
        seed=certificate.seed,
        created=certificate.created,
    )
    return (*_beyond(settings, trained, served), *differences(certificate, again))


def _beyond(settings: PcmuSettings, trained: Trained, served: Sequence[Served]) -> list[str]:
    """Say where more rows are forgotten than covered, or the clip is not the one that the model has."""
    problems = []
    budget, gone = budget_of(settings, trained), sum(len(one.rows) for one in served)
    if gone > budget:
        problems.append(f"{gone} rows are forgotten, beyond the budget of {budget}")
    if (clip := clip_called_for(trained.model)) != trained.clip:
        problems.append(f"the clip of the model {trained.model!r} is {clip:g}, not {trained.clip:g}")
    return problems
