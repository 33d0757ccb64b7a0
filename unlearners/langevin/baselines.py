"""What Langevin unlearning is compared with, run for real: retraining, Descent-to-Delete, full-batch Langevin.

Knows no accountant: how many epochs to run is given. Gradient evaluations are counted where they are made (an
empty slot's too: see ``unlearners.langevin.descent.Tally``).
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
from unlearners.langevin.descent import (
    Batch,
    Rule,
    Tally,
    batches,
    descend,
    initial_weights,
    noisy_rule,
    with_alive,
)
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
    training, spent, rule = Tally(), Tally(), noisy_rule(process)
    trained = _run(start, full, loss, rule, training_epochs, rng, training)
    weights = trained
    for alive, epochs in phases:
        weights = _run(weights, with_alive(full, alive), loss, rule, epochs, rng, spent)
    return Executed(trained, weights, training.gradients, spent.gradients)


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
    training, spent, rule = Tally(), Tally(), noisy_rule(process)
    start = initial_weights(process, shape, rng).astype(np.float32)
    trained = _run(start, full, loss, rule, training_epochs, rng, training)
    weights = trained
    for alive, epochs in phases:
        start = initial_weights(process, shape, rng).astype(np.float32)
        weights = _run(start, with_alive(full, alive), loss, rule, epochs, rng, spent)
    return Executed(trained, weights, training.gradients, spent.gradients)


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
    training, spent, start = Tally(), Tally(), np.zeros(shape, np.float32)
    weights = _published(_run(start, full, loss, rule, training_epochs, None, training), sigma, rng)
    trained = weights
    for alive, epochs in phases:
        weights = _published(_run(weights, with_alive(full, alive), loss, rule, epochs, None, spent), sigma, rng)
    return Executed(trained, weights, training.gradients, spent.gradients)


def retrain(data: Dataset, loss: ConvexLoss, descent: Descent, last: Phase, runs: int) -> Executed:
    """Learn what is left by descent without noise, once: what every method is meant to stand in for."""
    rng = np.random.default_rng(0)
    full, shape = _cut(data, loss, data.rows, runs, rng)
    rule = Rule(descent.step, descent.convexity, data.rows, descent.clip, noise=0.0)
    (alive, epochs), spent = last, Tally()
    weights = _run(np.zeros(shape, np.float32), with_alive(full, alive), loss, rule, epochs, None, spent)
    return Executed(weights, weights, 0, spent.gradients)


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
    tally: Tally,
) -> Array:
    same: Iterator[np.random.Generator | None] = (rng for _ in range(epochs))
    for moved in descend(weights, cut, loss, rule, same, tally):
        weights = moved
    return weights
