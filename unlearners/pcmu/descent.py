"""PCMU's one update: mean gradient, code, step. Knows no certificate and no request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unlearners.pcmu.codes import Array, Codes, quantise, radius, smoothed_codes
from unlearners.pcmu.sampling import sampled_codes
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.task import PcmuTask

__all__ = ["Step", "descend", "generator", "trajectory"]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The weights after a step, its code, and the smallest radius of the step's coordinates.

    The radius is infinite in the sampled variant, whose promise is not one of radii.
    """

    weights: Array
    code: Codes
    smallest_radius: float


def descend(
    task: PcmuTask,
    settings: PcmuSettings,
    weights: Array,
    alive: NDArray[np.bool_],
    *,
    seed: int,
    first: int = 0,
) -> Iterator[Step]:
    """Yield the steps from the ``first``-th on. Step t draws from a generator of its own, whatever came before."""
    for number in range(first, settings.steps):
        gradient = task.mean_gradient(weights, alive)
        code, smallest = _coded(settings, gradient, generator(seed, number))
        weights = weights - settings.rate * code
        yield Step(weights, code, smallest)


def trajectory(
    task: PcmuTask, settings: PcmuSettings, alive: NDArray[np.bool_], seed: int
) -> tuple[Array, NDArray[np.int8], float]:
    """Train on the living rows: final weights, all codes (T, p), the smallest radius."""
    steps = list(descend(task, settings, task.start(seed), alive, seed=seed))
    return (
        steps[-1].weights,
        np.stack([step.code for step in steps]),
        min(step.smallest_radius for step in steps),
    )


def generator(seed: int, step: int) -> np.random.Generator:
    """Return the noise of one step."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step,)))


def _coded(settings: PcmuSettings, gradient: Array, rng: np.random.Generator) -> tuple[Codes, float]:
    if settings.variant == "sampled":
        noise = settings.sigma * rng.standard_normal(gradient.size)
        return quantise(gradient + noise, settings.threshold), np.inf
    if settings.draws == 0:
        radii = radius(gradient, settings.threshold, settings.sigma)
        return smoothed_codes(gradient, settings.threshold, settings.sigma), float(radii.min())
    found = sampled_codes(
        gradient,
        settings.threshold,
        settings.sigma,
        draws=settings.draws,
        failure=settings.failure,
        steps=settings.steps,
        rng=rng,
    )
    return found.codes, float(found.radii.min())
