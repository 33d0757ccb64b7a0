"""Descent-to-Delete (D2D): gradient descent, then noise on what is published; a baseline. Knows no data.

The step is 2/(L+m), which contracts by gamma = (L-m)/(L+m).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from unlearners.conversion import check_target
from unlearners.langevin.accounting import Infeasible

__all__ = ["Descent", "sequential_steps", "single_request_sigma", "steps_between_requests"]


@dataclass(frozen=True, slots=True)
class Descent:
    """The numbers of a full-batch descent: rows n, features d, convexity m, smoothness L, gradient bound M."""

    rows: int
    features: int
    convexity: float
    smoothness: float
    clip: float = 1.0

    def __post_init__(self) -> None:
        if self.rows < 1 or self.features < 1:
            raise ValueError("needs at least one row and one feature")
        if not 0 < self.convexity < self.smoothness < math.inf:
            raise Infeasible("Descent-to-Delete needs a strongly convex loss: 0 < m < L")

    @property
    def step(self) -> float:
        """Return 2/(L+m)."""
        return 2 / (self.smoothness + self.convexity)

    @property
    def log_gain(self) -> float:
        """Return log(1/gamma), by how much a step contracts."""
        return math.log1p(2 * self.convexity / (self.smoothness - self.convexity))


def single_request_sigma(descent: Descent, steps: int, epsilon: float, delta: float) -> float:
    """Return the sigma of the published noise that makes one request of ``steps`` steps (ε, δ)."""
    check_target(epsilon, delta)
    if steps < 1:
        raise ValueError("needs at least one step")
    shrunk = math.exp(-steps * descent.log_gain)
    moved = 4 * math.sqrt(2) * descent.clip * shrunk
    held = descent.convexity * descent.rows * -math.expm1(-steps * descent.log_gain)
    return moved / (held * _root_gap(math.log(1 / delta), epsilon))


def steps_between_requests(descent: Descent, epsilon: float, delta: float) -> int:
    """Return I, the steps that every request of a sequence takes at least."""
    check_target(epsilon, delta)
    shrinks_by = 2 * descent.convexity / (descent.smoothness + descent.convexity)  # 1 - gamma
    needed = math.sqrt(2 * descent.features) / shrinks_by / _root_gap(2 * math.log(2 / delta), epsilon)
    return max(1, math.ceil(math.log(needed) / descent.log_gain))


def sequential_steps(descent: Descent, requests: int, epsilon: float, delta: float) -> tuple[int, ...]:
    """Return K_i of each request i = 1, 2, …: I plus what washes out the noise of the model published before.

    A step takes every row once, so K_i counts epochs.
    """
    least = steps_between_requests(descent, epsilon, delta)
    extra = (math.log(math.log(4 * descent.features * i / delta)) for i in range(1, requests + 1))
    return tuple(least + max(0, math.ceil(more / descent.log_gain)) for more in extra)


def _root_gap(log: float, epsilon: float) -> float:
    """Return √(log+ε) - √log without cancelling."""
    return epsilon / (math.sqrt(log + epsilon) + math.sqrt(log))
