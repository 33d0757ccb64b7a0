"""The one update of every linear method here: clip, average, regularise, add noise, project. Knows no budget."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearners.arrays import Numbers, Put, length, like, normal_like, norms
from unlearners.bags import Bags
from unlearners.langevin.accounting import Process
from unlearners.losses import Array, ConvexLoss, Labels

__all__ = [
    "Batch",
    "Rule",
    "Tally",
    "bag_batches",
    "batches",
    "descend",
    "initial_weights",
    "noisy_rule",
    "placed",
    "update",
    "with_alive",
]

FEW = 8
"""Up to so many rows are multiplied one by one."""

CHUNK_ROWS = 2048
"""A full batch is read in pieces of this many rows, so that each is still in the cache when it is used again."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one update does: step η, convexity m, divisor b, clip M, noise's standard deviation, radius R.

    The regulariser is (m/2)‖w - centre‖², the ball that of radius R around ``centre``: 0, or public weights.
    """

    step: float
    convexity: float
    divisor: int
    clip: float
    noise: float
    radius: float = math.inf
    centre: Numbers | float = field(default=0.0, compare=False)


@dataclass(slots=True)
class Tally:
    """Per-sample gradients evaluated so far by each run, counted by ``update`` as it makes them.

    A slot counts each time its gradient is made: a row, or a unit with all its tokens. So does an empty slot,
    whose gradient is made and then multiplied by 0.
    """

    gradients: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch's features (slots, d) with their norms, and labels (slots,); ``units`` are its rows or units.

    ``alive`` is a slot's weight in the sum of gradients where it still holds its row (1, or a token's share of
    its unit's mean), else 0, shape (slots, runs or 1); ``rows`` are the places in the data (or the units).
    """

    features: Array
    norms: Array
    labels: Labels
    alive: Array
    rows: NDArray[np.int64]
    units: int
    shares: Array | float = 1.0


def noisy_rule(process: Process, centre: Numbers | float = 0.0) -> Rule:
    """Return the update of a noisy descent: noise N(0, 2·η·sigma²·I) at each step."""
    noise = math.sqrt(2 * process.step) * process.sigma
    return Rule(process.step, process.convexity, process.batch, process.clip, noise, process.radius, centre)


def update(
    weights: Array,
    batch: Batch,
    loss: ConvexLoss,
    rule: Rule,
    rng: np.random.Generator | None,
    tally: Tally | None = None,
) -> Array:
    """Return the weights after one step, shape (runs, outputs, d); runs are independent and share the batch.

    An empty slot contributes no gradient and stays in the divisor. ``rng`` is needed where the rule has noise. The
    arrays may all be torch's (see ``placed``); the noise is NumPy's all the same.
    """
    if tally is not None:
        tally.gradients += batch.units
    mean = _gradient_sum(weights, batch, loss, rule.clip) / rule.divisor
    moved = weights - rule.step * (mean + rule.convexity * (weights - rule.centre))
    if rule.noise > 0:
        if rng is None:
            raise ValueError("a noisy update needs a generator")
        moved += rule.noise * normal_like(weights, rng)
    return _projected(moved, rule)


def _gradient_sum(weights: Array, batch: Batch, loss: ConvexLoss, clip: float) -> Array:
    runs, outputs, features = weights.shape
    flat = weights.reshape(runs * outputs, features)
    total: Numbers = 0.0
    for start in range(0, len(batch.labels), CHUNK_ROWS):
        piece = slice(start, start + CHUNK_ROWS)
        x = batch.features[piece]
        gaps = loss.residuals(_times(x, flat).reshape(len(x), runs, outputs), batch.labels[piece])
        if clip < loss.gradient_bound:
            sizes = norms(gaps) * batch.norms[piece, None, None]
            gaps = gaps * (clip / sizes.clip(min=clip))
        gaps = gaps * batch.alive[piece, :, None]
        total = total + _times(x.T, gaps.reshape(len(x), runs * outputs).T).T
    moved: Array = total.reshape(weights.shape)
    return moved


def _times(matrix: Numbers, rows: Numbers) -> Numbers:
    """Return matrix·rowsᵀ; a few rows one by one, since BLAS is slower on a few columns than on one at a time."""
    if len(rows) > FEW or not isinstance(rows, np.ndarray):
        return matrix @ rows.T
    return np.stack([matrix @ row for row in rows], axis=1)


def _projected(weights: Array, rule: Rule) -> Array:
    if math.isinf(rule.radius):
        return weights
    away = weights - rule.centre
    scales = rule.radius / length(away).clip(min=rule.radius)
    projected: Array = away * scales[:, None, None] + rule.centre
    return projected


def batches(features: Array, labels: Labels, order: NDArray[np.int64], size: int) -> tuple[Batch, ...]:
    """Cut the rows, in a fixed order, into batches of ``size``, every slot filled.

    The last batch may hold fewer rows; it is divided by ``size`` all the same, as if filled with empty slots.
    """
    norms: NDArray[np.floating[Any]] = np.linalg.norm(features, axis=1)
    full = np.ones((size, 1), features.dtype)
    cut = (order[start : start + size] for start in range(0, len(order), size))
    return tuple(
        Batch(features[rows], norms[rows], labels[rows], full[: len(rows)], rows, len(rows)) for rows in cut
    )


def bag_batches(bags: Bags, order: NDArray[np.int64], size: int) -> tuple[Batch, ...]:
    """Cut the units, in a fixed order, into batches of ``size`` units with all their tokens.

    A clip below the loss's own bound would be by token: the gradient of a unit is bounded all the same.
    """
    norms, shares = np.linalg.norm(bags.features, axis=1), bags.shares
    places = np.split(np.argsort(bags.units, kind="stable"), np.cumsum(bags.sizes)[:-1])
    cut = []
    for start in range(0, len(order), size):
        held = order[start : start + size]
        slots = np.concatenate([places[unit] for unit in held])
        x, y, share = bags.features[slots], bags.labels[slots], shares[slots][:, None]
        cut.append(Batch(x, norms[slots], y, share, bags.units[slots], len(held), share))
    return tuple(cut)


def with_alive(cut: tuple[Batch, ...], alive: NDArray[np.bool_]) -> tuple[Batch, ...]:
    """Return the same batches with other empty slots; ``alive`` is by row of the data: (n,) or (n, runs)."""
    kept = alive if alive.ndim == 2 else alive[:, None]
    return tuple(replace(batch, alive=like(kept[batch.rows] * batch.shares, batch.features)) for batch in cut)


def placed(cut: tuple[Batch, ...], put: Put) -> tuple[Batch, ...]:
    """Bring the batches to where the descent runs; ``rows`` and ``shares``, which decide ``alive``, stay."""
    return tuple(
        replace(
            batch,
            features=put(batch.features),
            norms=put(batch.norms),
            labels=put(batch.labels),
            alive=put(batch.alive),
        )
        for batch in cut
    )


def descend(
    weights: Array,
    epoch_batches: tuple[Batch, ...],
    loss: ConvexLoss,
    rule: Rule,
    generators: Iterator[np.random.Generator | None],
    tally: Tally | None = None,
) -> Iterator[Array]:
    """Yield the weights after each epoch: one for each generator, which draws that epoch's noise."""
    for rng in generators:
        for batch in epoch_batches:
            weights = update(weights, batch, loss, rule, rng, tally)
        yield weights


def initial_weights(process: Process, shape: tuple[int, int, int], rng: np.random.Generator) -> Array:
    """Draw the start N(0, (2·sigma²/m)·I), independent of the data; zeros where the loss is only convex."""
    if process.convexity == 0:
        return np.zeros(shape)
    return rng.standard_normal(shape) * (process.sigma * math.sqrt(2 / process.convexity))
