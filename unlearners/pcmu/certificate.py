"""PCMU's certificate: written from what was trained, and computed again from what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from unlearners.bags import BAGGED, PUBLIC_START, Bags
from unlearners.certificate import DataSeen, Limited, Served, UnlearningCertificate, sealed
from unlearners.data import UNIT_ROWS
from unlearners.pcmu.accounting import majority_budget, sampled_budget, sampled_epsilon
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.task import OWN_ROW, PcmuTask
from unlearners.promise import ExactRetrain, Indistinguishable, Promise

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
    "64-bit arithmetic moves a mean gradient by at most 1e-9 of the clip",
)
SAMPLED = (
    *SHARED,
    "the noise is Gaussian, was drawn independently of the data and stays secret",
    "which rows were asked to be forgotten does not depend on the published model",
)


@dataclass(frozen=True, slots=True)
class Trained:
    """What the promise is computed from: n, the clip M, and the smallest radius (infinite if sampled)."""

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
    return Indistinguishable(settings.epsilon, settings.delta, "deletion", "zcdp")


def certify(
    settings: PcmuSettings,
    task: PcmuTask,
    trained: Trained,
    *,
    served: Sequence[Served],
    seed: int | None,
    created: datetime,
) -> UnlearningCertificate:
    """Write the certificate of a model that has served these requests."""
    budget = budget_of(settings, trained)
    gone = sum(len(one.rows) for one in served)
    assumptions: tuple[str, ...] = SAMPLED if settings.variant == "sampled" else MAJORITY
    if isinstance(task.data, Bags):
        assumptions = (BAGGED, PUBLIC_START, *assumptions)
    return sealed(
        UnlearningCertificate(
            id="",
            created=created.isoformat(),
            method=METHOD,
            promise=promise_of(settings, budget),
            data=DataSeen(task.data.sha256, task.data.rows, task.data.width),
            parameters=_parameters(settings, task, trained, budget, gone),
            assumptions=(UNIT_ROWS, *assumptions) if task.name.startswith("linear") else assumptions,
            served=tuple(served),
            remaining=Limited(budget - gone, AFTERWARDS),
            gradients_spent=0,
            training_gradients=task.data.rows * settings.steps,
            seed=seed if settings.variant == "majority" else None,  # else noise could be taken off by it
        )
    )


def _parameters(
    settings: PcmuSettings, task: PcmuTask, trained: Trained, budget: int, gone: int
) -> dict[str, bool | int | float | str]:
    parameters = dict(settings.parameters()) | {"model": task.name, "clip": trained.clip, "budget": budget}
    if settings.variant == "majority":
        return parameters | {"smallest_radius": trained.smallest_radius}
    return parameters | {"epsilon_reached": _reached(settings, trained, gone)}


def _reached(settings: PcmuSettings, trained: Trained, gone: int) -> float:
    return sampled_epsilon(
        gone, settings.delta, rows=trained.rows, steps=settings.steps, clip=trained.clip, sigma=settings.sigma
    )


def recompute(certificate: UnlearningCertificate) -> tuple[str, ...]:
    """Account again for what the certificate says was trained and served, and return what disagrees."""
    parameters = certificate.parameters
    known = {name: parameters[name] for name in PcmuSettings.__dataclass_fields__}
    settings = PcmuSettings(**known)  # type: ignore[arg-type]  # the class checks its values
    radius = float(parameters["smallest_radius"]) if settings.variant == "majority" else math.inf
    trained = Trained(certificate.data.rows, float(parameters["clip"]), radius)
    budget, gone = budget_of(settings, trained), sum(len(one.rows) for one in certificate.served)
    problems = []
    if settings.variant == "sampled" and certificate.seed is not None:
        problems.append("its seed stands in it, by which the noise that it rests on can be taken off")
    if parameters["budget"] != budget:
        problems.append(f"the budget is {budget} rows, not {parameters['budget']}")
    if certificate.promise != promise_of(settings, budget):
        problems.append("the promise is not the one that the parameters give")
    if certificate.remaining != Limited(budget - gone, AFTERWARDS):
        problems.append(f"{gone} rows are forgotten of a budget of {budget}: the remaining budget is wrong")
    if gone > budget:
        problems.append(f"{gone} rows are forgotten, beyond the budget of {budget}")
    if settings.variant == "sampled" and not math.isclose(
        float(parameters["epsilon_reached"]), _reached(settings, trained, gone), rel_tol=1e-9
    ):
        problems.append("epsilon_reached does not follow from the rows forgotten")
    return tuple(problems)
