"""What serving a list of requests will take, before any of it is done. Knows no weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unlearners.certificate import Served
from unlearners.langevin.accounting import (
    Process,
    distance_per_row,
    epsilon_after,
    least_epochs,
    next_distance,
)
from unlearners.langevin.settings import LangevinSettings
from unlearners.protocol import ForgetRequest, Refused
from unlearners.requests import check_rows

__all__ = ["Planned", "plan", "worst_epsilon"]

REACHABLE = "the target (epsilon, delta) can be reached within the epochs allowed to a request"


@dataclass(frozen=True, slots=True)
class Planned:
    """One request: its rows, the distance to forget before it, the epochs it takes and the ε they reach."""

    rows: tuple[int, ...]
    distance: float
    epochs: int
    epsilon: float


def plan(
    settings: LangevinSettings, process: Process, served: Sequence[Served], requests: Sequence[ForgetRequest]
) -> tuple[Planned, ...]:
    """Plan the requests after those served. Raises ``Refused`` before anything is done."""
    check_rows(process.rows, served, requests)
    planned = list(replay(settings, process, served))
    for request in requests:
        distance = _distance(settings, process, planned, len(request.rows))
        epochs = _affordable(settings, process, distance)
        epsilon = epsilon_after(process, distance, epochs, settings.delta, settings.bound)
        planned.append(Planned(request.rows, distance, epochs, epsilon))
    return tuple(planned[len(served) :])


def replay(settings: LangevinSettings, process: Process, served: Sequence[Served]) -> tuple[Planned, ...]:
    """Account again for requests that took the epochs recorded."""
    planned: list[Planned] = []
    for one in served:
        epochs = int(one.epochs)
        distance = _distance(settings, process, planned, len(one.rows))
        epsilon = epsilon_after(process, distance, epochs, settings.delta, settings.bound)
        planned.append(Planned(one.rows, distance, epochs, epsilon))
    return tuple(planned)


def worst_epsilon(settings: LangevinSettings, process: Process, served: Sequence[Served]) -> float:
    """Return the largest ε among the requests served, each at its own moment."""
    return max((one.epsilon for one in replay(settings, process, served)), default=math.inf)


def _distance(settings: LangevinSettings, process: Process, before: Sequence[Planned], rows: int) -> float:
    run = settings.training_epochs + sum(one.epochs for one in before)
    return next_distance(
        process,
        settings.adjacency,
        settings.bound,
        rows=rows,
        left=before[-1].distance if before else 0.0,
        last_epochs=before[-1].epochs if before else 0,
        epochs_before=run,
    )


def _affordable(settings: LangevinSettings, process: Process, distance: float) -> int:
    epochs = least_epochs(process, distance, settings.epsilon, settings.delta, settings.bound)
    if epochs > settings.most_epochs:
        one_row = distance_per_row(process, settings.adjacency, settings.bound, settings.training_epochs)
        raise Refused(
            REACHABLE,
            f"the request needs {epochs} epochs, more than {settings.most_epochs}: forget fewer rows at once "
            f"(one moves the weights by up to {one_row:.3g}), or train again with more noise",
        )
    return epochs
