"""How many epochs of noisy descent forget a row: the accountant of PNSGD. Knows no data and no weights.

A process is ``w ← Π_R[w - η(mean of b clipped gradients + m·w) + √(2·η·sigma²)·N(0, I)]`` over fixed
batches. Trained on two data sets that differ in one row and driven by the same noise, two copies stay within
a distance Z of each other; running both on the *same* data then contracts Z and hides it in the noise. Two
bounds on what is left are offered: ``published`` (arXiv 2403.17105, with 1/(2·η·sigma²) and, for b < n, its
looser Z) and ``tight`` (1/(4·η·sigma²) and the sharper Z; proof in docs/unlearners/langevin.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from unlearners.conversion import check_target, epsilon_of, rate_for
from unlearners.promise import Adjacency, Bound

__all__ = [
    "LEAST_SIGMA",
    "MOST_EPOCHS",
    "Infeasible",
    "Process",
    "distance_per_row",
    "epochs_from_anywhere",
    "epsilon_after",
    "least_epochs",
    "next_distance",
    "rate_after",
    "sequential_epochs",
    "sigma_for",
]

MOST_EPOCHS = 2**50
"""Beyond this a number of epochs is as good as infinite."""

LEAST_SIGMA = 1e-100
"""No less noise is ever returned, even where contraction alone would do."""


class Infeasible(ValueError):
    """No number of epochs (or no noise) reaches the target; the message says why."""


@dataclass(frozen=True, slots=True)
class Process:
    """The numbers of a noisy descent. ``convexity`` m and ``smoothness`` L are of the regularised loss.

    ``clip`` M bounds a row's gradient without the regulariser; ``sigma`` is sigma; ``radius`` R may be infinite.
    The step is η = 1/L. A last batch that the rows do not fill is filled with null slots (zero gradients).
    Raises ``ValueError`` naming the number that cannot be.
    """

    rows: int
    batch: int
    convexity: float
    smoothness: float
    sigma: float
    clip: float = 1.0
    radius: float = 100.0

    def __post_init__(self) -> None:
        if self.rows < 1 or not 1 <= self.batch <= self.rows:
            raise ValueError(f"the batch must lie between 1 and the {self.rows} rows, got {self.batch}")
        if not 0 <= self.convexity < self.smoothness < math.inf:
            raise ValueError(
                f"needs 0 <= convexity m < smoothness L, got m = {self.convexity:g}, L = {self.smoothness:g}"
            )
        for name in ("sigma", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)!r}")
        if not self.radius > 0:
            raise ValueError(f"radius must be positive, got {self.radius!r}")

    @property
    def step(self) -> float:
        """Return η = 1/L."""
        return 1 / self.smoothness

    @property
    def log_contraction(self) -> float:
        """Return log c of the contraction c = 1 - ηm of one step: 0 for a loss that is only convex."""
        return math.log1p(-self.step * self.convexity)

    @property
    def steps_per_epoch(self) -> int:
        """Return how many batches hold the rows."""
        return -(-self.rows // self.batch)


def distance_per_row(process: Process, adjacency: Adjacency, bound: Bound, epochs: float = math.inf) -> float:
    """Return how far one row can move the weights at the end of ``epochs`` (W∞), never more than 2R.

    A row's step is s = 2ηM/b when it is replaced and ηM/b when its slot is emptied. It recurs once an epoch
    and shrinks by c^(n/b) until it does again: s/(1-c^(n/b)), or s·epochs where the loss is only convex. The
    published rows for b < n use the looser s/(1-c).
    """
    moved = _slot(adjacency) * process.step * process.clip / process.batch
    per_epoch = process.steps_per_epoch * process.log_contraction
    if per_epoch == 0:
        distance = moved * epochs
    elif bound == "published":
        distance = moved / (process.step * process.convexity)
        if process.batch == process.rows:
            distance = moved / -math.expm1(per_epoch)
    else:
        distance = moved / -math.expm1(per_epoch)
    return min(distance, 2 * process.radius)


def rate_after(process: Process, distance: float, epochs: int, bound: Bound) -> float:
    """Return rho: after ``epochs`` on the same data every Rényi divergence is at most its order times rho.

    From W∞ distance Z over N = epochs·n/b steps: rho = Z²/(a·η·sigma²)·(c²-1)/(1-c^(-2N)), a = 2 (published) or 4
    (tight); Z²/(a·η·sigma²)/N where the loss is only convex.
    """
    steps = epochs * process.steps_per_epoch
    if steps == 0:
        return math.inf if distance > 0 else 0.0
    noise = (2 if bound == "published" else 4) * process.step * process.sigma**2
    return distance**2 / noise * _shrink(process.log_contraction, steps)


def _shrink(log_contraction: float, steps: int) -> float:
    """Return (c²-1)/(1-c^(-2N)), in a form that neither overflows nor cancels; 1/N at c = 1."""
    if log_contraction == 0:
        return 1 / steps
    spread = 2 * steps * log_contraction
    return math.expm1(2 * log_contraction) * math.exp(spread) / math.expm1(spread)


def _slot(adjacency: Adjacency) -> float:
    if adjacency not in ("replacement", "deletion"):
        raise ValueError(f"adjacency is 'replacement' or 'deletion', not {adjacency!r}")
    return 2.0 if adjacency == "replacement" else 1.0


def least_epochs(process: Process, distance: float, epsilon: float, delta: float, bound: Bound) -> int:
    """Return the least number of epochs, at least 1, that brings ``distance`` to (ε, δ).

    Raises ``Infeasible`` where the distance is infinite (no projection radius and no bound on training).
    """
    if not math.isfinite(distance):
        raise Infeasible("the distance to forget is infinite: give a projection radius, or the training's epochs")
    check_target(epsilon, delta)
    return _least(lambda epochs: epsilon_after(process, distance, epochs, delta, bound) <= epsilon)


def _least(enough: Callable[[int], bool]) -> int:
    """Return the least whole number from 1 on that is enough; ``enough`` changes from False to True once."""
    high = 1
    while not enough(high):
        high *= 2
        if high > MOST_EPOCHS:
            raise Infeasible(f"not even {MOST_EPOCHS} epochs reach the target: more noise or more rows are needed")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def epochs_from_anywhere(process: Process, epsilon: float, delta: float, bound: Bound) -> int:
    """Return the epochs that forget everything: a start anywhere in the ball, so a distance of 2R.

    This is retraining with the same noise and accountant; no request ever needs more.
    """
    return least_epochs(process, 2 * process.radius, epsilon, delta, bound)


def next_distance(
    process: Process,
    adjacency: Adjacency,
    bound: Bound,
    *,
    rows: int,
    left: float = 0.0,
    last_epochs: int = 0,
    epochs_before: float = math.inf,
) -> float:
    """Return the distance that the next request has to forget: Z' = c^(K·n/b)·Z + rows·Z1, at most 2R.

    ``left`` and ``last_epochs`` are the distance Z and the epochs K of the request before it (0 for the
    first), ``rows`` how many it forgets at once, ``epochs_before`` all epochs run so far (used only where the
    loss is only convex).
    """
    kept = left * math.exp(last_epochs * process.steps_per_epoch * process.log_contraction)
    fresh = rows * distance_per_row(process, adjacency, bound, epochs_before)
    return min(kept + fresh, 2 * process.radius)


def sequential_epochs(
    process: Process,
    rows: tuple[int, ...],
    epsilon: float,
    delta: float,
    *,
    adjacency: Adjacency,
    bound: Bound,
    training_epochs: float = math.inf,
) -> tuple[int, ...]:
    """Return the least epochs K_s of each request; ``rows`` is how many rows each forgets.

    Every request is (ε, δ) against training without the rows forgotten so far; nothing is promised to someone
    who sees the models of several moments together.
    """
    check_target(epsilon, delta)
    left, epochs, before, taken = 0.0, 0, training_epochs, []
    for forgotten in rows:
        left = next_distance(
            process, adjacency, bound, rows=forgotten, left=left, last_epochs=epochs, epochs_before=before
        )
        epochs = least_epochs(process, left, epsilon, delta, bound)
        before += epochs
        taken.append(epochs)
    return tuple(taken)


def sigma_for(
    process: Process,
    epsilon: float,
    delta: float,
    epochs: int,
    *,
    adjacency: Adjacency,
    bound: Bound,
    requests: int = 1,
    training_epochs: float = math.inf,
) -> float:
    """Return, by bisection, the least sigma at which ``requests`` single-row requests take ``epochs`` each.

    Each takes exactly so many: were an early one served in fewer, it would leave more for the next. The
    process's own sigma is not used. The result is on the safe side of the bisection, within 1e-12 relative.
    """
    if epochs < 1 or requests < 1:
        raise ValueError("needs at least one epoch and one request")
    check_target(epsilon, delta)
    largest = _largest_distance(process, adjacency, bound, epochs, requests, training_epochs)
    if not math.isfinite(largest):
        raise Infeasible("the distance to forget is infinite: give a projection radius, or the training's epochs")

    def enough(sigma: float) -> bool:
        return epsilon_after(replace(process, sigma=sigma), largest, epochs, delta, bound) <= epsilon

    one = rate_after(replace(process, sigma=1.0), largest, epochs, bound)
    high = max(LEAST_SIGMA, math.sqrt(one / rate_for(epsilon, delta)))  # the rate goes with 1/sigma²
    while not enough(high):
        high *= 2
    low = high
    while low > LEAST_SIGMA and enough(low):
        low, high = low / 2, low
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _largest_distance(
    process: Process, adjacency: Adjacency, bound: Bound, epochs: int, requests: int, training_epochs: float
) -> float:
    """Return the distance of the last of equal requests: it grows with each, since K is the same for all."""
    distance, last = 0.0, 0
    for request in range(requests):
        before = training_epochs + request * epochs
        distance = next_distance(
            process, adjacency, bound, rows=1, left=distance, last_epochs=last, epochs_before=before
        )
        last = epochs
    return distance


def epsilon_after(process: Process, distance: float, epochs: int, delta: float, bound: Bound) -> float:
    """Return the ε at δ that ``epochs`` on the same data reach from a distance."""
    return epsilon_of(rate_after(process, distance, epochs, bound), delta)
