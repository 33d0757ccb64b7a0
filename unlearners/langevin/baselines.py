"""What Langevin unlearning is compared with, run for real: retraining, Descent-to-Delete, full-batch Langevin.

Knows no accountant: how many epochs to run is given. Gradient evaluations are counted where they are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from unlearners.data import Dataset
from unlearners.langevin.accounting import Process
from unlearners.langevin.delete_to_descent import Descent
from unlearners.langevin.descent import Batch, Rule, batches, descend, initial_weights, noisy_rule, with_alive
from unlearners.losses import Array, ConvexLoss

__all__ = ["Executed", "Phase", "accuracy", "descend_to_delete", "forget_by_noise", "retrain", "retrain_by_noise"]

Phase: TypeAlias = tuple[NDArray[np.bool_], int]
"""Which rows are left, by row of the data, shape (n,) or (n, runs); and how many epochs to run on them."""


@dataclass(frozen=True, slots=True)
class Executed:
    """Weights (runs, outputs, d) after training and after the last request; gradient evaluations of each run."""

    trained: Array
    weights: Array
    training_gradients: int
    gradients: int


def accuracy(weights: Array, data: Dataset, loss: ConvexLoss) -> NDArray[np.float64]:
    """Return the share of right answers of each run, shape (runs,)."""
    runs, outputs, features = weights.shape
    scores = data.features.astype(weights.dtype) @ weights.reshape(runs * outputs, features).T
    right = loss.predictions(scores.reshape(data.rows, runs, outputs)) == data.labels[:, None]
    return np.asarray(right.mean(axis=0), dtype=np.float64)


def forget_by_noise(
    data: Dataset,
    loss: ConvexLoss,
    process: Process,
    training_epochs: int,
    phases: Sequence[Phase],
    runs: int,
    seed: int,
) -> Executed:
    """Train with noise, then go on with noise on what is left: PNSGD, and LU where the batch is all rows."""
    rng = np.random.default_rng(seed)
    full, shape = _cut(data, loss, process.batch, runs, rng)
    start = initial_weights(process, shape, rng).astype(np.float32)
    trained = _run(start, full, loss, noisy_rule(process), training_epochs, rng)
    weights = trained
    for alive, epochs in phases:
        weights = _run(weights, with_alive(full, alive), loss, noisy_rule(process), epochs, rng)
    return _executed(trained, weights, data.rows, training_epochs, phases)


def retrain_by_noise(
    data: Dataset,
    loss: ConvexLoss,
    process: Process,
    training_epochs: int,
    phases: Sequence[Phase],
    runs: int,
    seed: int,
) -> Executed:
    """Answer each request by noisy training from a fresh start, on what is left, for the phase's epochs."""
    rng = np.random.default_rng(seed)
    full, shape = _cut(data, loss, process.batch, runs, rng)
    rule = noisy_rule(process)
    trained = _run(initial_weights(process, shape, rng).astype(np.float32), full, loss, rule, training_epochs, rng)
    weights = trained
    for alive, epochs in phases:
        start = initial_weights(process, shape, rng).astype(np.float32)
        weights = _run(start, with_alive(full, alive), loss, rule, epochs, rng)
    return _executed(trained, weights, data.rows, training_epochs, phases)


def descend_to_delete(
    data: Dataset,
    loss: ConvexLoss,
    descent: Descent,
    sigma: float,
    training_epochs: int,
    phases: Sequence[Phase],
    runs: int,
    seed: int,
) -> Executed:
    """Descend without noise, publish with N(0, sigma²·I), and start the next request from what was published."""
    rng = np.random.default_rng(seed)
    full, shape = _cut(data, loss, data.rows, runs, rng)
    rule = Rule(descent.step, descent.convexity, data.rows, descent.clip, noise=0.0)
    weights = _published(_run(np.zeros(shape, np.float32), full, loss, rule, training_epochs, None), sigma, rng)
    trained = weights
    for alive, epochs in phases:
        weights = _published(_run(weights, with_alive(full, alive), loss, rule, epochs, None), sigma, rng)
    return _executed(trained, weights, data.rows, training_epochs, phases)


def retrain(data: Dataset, loss: ConvexLoss, descent: Descent, last: Phase, runs: int) -> Executed:
    """Learn what is left by descent without noise, once: what every method is meant to stand in for."""
    rng = np.random.default_rng(0)
    full, shape = _cut(data, loss, data.rows, runs, rng)
    rule = Rule(descent.step, descent.convexity, data.rows, descent.clip, noise=0.0)
    alive, epochs = last
    weights = _run(np.zeros(shape, np.float32), with_alive(full, alive), loss, rule, epochs, None)
    return Executed(weights, weights, 0, data.rows * epochs)


def _published(weights: Array, sigma: float, rng: np.random.Generator) -> Array:
    return np.asarray(weights + np.float32(sigma) * rng.standard_normal(weights.shape, dtype=np.float32))


def _cut(
    data: Dataset, loss: ConvexLoss, size: int, runs: int, rng: np.random.Generator
) -> tuple[tuple[Batch, ...], tuple[int, int, int]]:
    """Cut into batches of 32-bit numbers, in a random order where there is more than one batch."""
    order = np.arange(data.rows) if size == data.rows else rng.permutation(data.rows)
    cut = batches(data.features.astype(np.float32), data.labels, order, size)
    return cut, (runs, loss.outputs, data.features.shape[1])


def _run(
    weights: Array,
    cut: tuple[Batch, ...],
    loss: ConvexLoss,
    rule: Rule,
    epochs: int,
    rng: np.random.Generator | None,
) -> Array:
    same: Iterator[np.random.Generator | None] = (rng for _ in range(epochs))
    for moved in descend(weights, cut, loss, rule, same):
        weights = moved
    return weights


def _executed(
    trained: Array, weights: Array, rows: int, training_epochs: int, phases: Sequence[Phase]
) -> Executed:
    spent = rows * sum(epochs for _, epochs in phases)
    return Executed(trained, weights, rows * training_epochs, spent)
