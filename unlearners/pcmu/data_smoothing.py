"""Randomised smoothing of the training rows: predictions that survive deletions. Knows no gradient codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

from unlearners.data import Dataset
from unlearners.pcmu.codes import Array
from unlearners.pcmu.sampling import lower_bound
from unlearners.protocol import Progress, Refused, silent

__all__ = [
    "Learner",
    "SmoothedPredictions",
    "data_budget",
    "mean_direction",
    "mean_direction_share",
    "signed_rows",
    "smoothed_predictions",
    "steps_learner",
]

Learner: TypeAlias = Callable[[Array], Array]
"""From signed rows (n, d) to weights (d,); a row is classified by the sign of its score. Deterministic."""


@dataclass(frozen=True, slots=True, eq=False)
class SmoothedPredictions:
    """Per query: the smoothed sign (0: undecided), its radius in the data, and how many deletions it survives."""

    signs: NDArray[np.int8]
    radii: Array
    budgets: NDArray[np.int64]


def signed_rows(data: Dataset) -> Array:
    """Return y·x with y = +1 for the second class, -1 for the first: all that a two-class head sees of a row.

    A deleted row is a row of zeros here, its label gone with it. Raises ``Refused`` for more classes.
    """
    if len(data.classes) != 2:
        raise Refused(
            "a row enters as label times features, so there are two classes", f"{len(data.classes)} given"
        )
    data = data.bounded()
    return np.asarray((2 * data.labels - 1)[:, None] * data.features)


def data_budget(radius: float, row_norm: float = 1.0) -> int:
    """Return the most deletions k with √k·row_norm < radius: k emptied rows move the data by that much at most."""
    if not (row_norm > 0 and radius >= 0):
        raise ValueError(f"needs a radius of at least 0 and a positive norm, got {radius!r}, {row_norm!r}")
    return max(0, math.ceil((radius / row_norm) ** 2 * (1 - 1e-12)) - 1)


def smoothed_predictions(
    rows: Array,
    queries: Array,
    learner: Learner,
    *,
    sigma: float,
    runs: int,
    failure: float,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> SmoothedPredictions:
    """Train ``runs`` times on rows + N(0, sigma²), let the runs vote on each query, and certify the votes.

    Guarantee:   except with probability ``failure`` over the draws, for all queries at once: with any up to
                 ``budgets`` rows emptied before the noise is added, the likelier sign of a run is the same.
    Assumes:     rows of norm at most 1; the number of slots stays n (an emptied slot holds noise alone).
    Source:      Cohen, Rosenfeld, Kolter (2019), theorem 1, on the n·d numbers of the data; Clopper-Pearson; the
                 union bound over queries and over the two signs.
    Verified by: tests/unlearners/pcmu/test_data_smoothing.py
    """
    votes = np.zeros(len(queries), dtype=np.int64)
    for run in range(runs):
        weights = learner(rows + sigma * rng.standard_normal(rows.shape))
        votes += queries @ weights > 0
        progress("smooth", run + 1, runs)
    most = np.maximum(votes, runs - votes)
    likely = lower_bound(most, runs, failure / (2 * len(queries)))
    radii = np.where(likely > 0.5, sigma * ndtri(likely), 0.0)
    signs = np.where(radii > 0, np.where(2 * votes > runs, 1, -1), 0).astype(np.int8)
    return SmoothedPredictions(signs, radii, np.array([data_budget(one) for one in radii]))


def mean_direction(rows: Array) -> Array:
    """Learn the mean of the signed rows: one gradient step from zero."""
    return np.asarray(rows.mean(axis=0))


def mean_direction_share(rows: Array, queries: Array, sigma: float) -> Array:
    """Return P(a run of ``mean_direction`` answers +1) in closed form: Φ(Σz·u / (√n·sigma·‖u‖))."""
    deviation = math.sqrt(len(rows)) * sigma * np.linalg.norm(queries, axis=1)
    return np.asarray(ndtr(queries @ rows.sum(axis=0) / deviation))


def steps_learner(steps: int, rate: float) -> Learner:
    """Return full-batch gradient descent on the logistic loss from zero, without an intercept."""

    def learn(rows: Array) -> Array:
        weights = np.zeros(rows.shape[1])
        for _ in range(steps):
            weights = weights + rate * (rows.T @ expit(-(rows @ weights))) / len(rows)
        return weights

    return learn
