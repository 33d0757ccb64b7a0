"""The exact budget of a training: the fewest rows whose deletion changes a code. Knows the data, unlike B'."""

from __future__ import annotations

import numpy as np

from unlearners.pcmu.accounting import ALLOWANCE
from unlearners.pcmu.codes import Array, quantise, smoothed_threshold
from unlearners.pcmu.descent import descend
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.task import PcmuTask

__all__ = ["exact_budget", "extreme_means"]


def exact_budget(task: PcmuTask, settings: PcmuSettings, seed: int) -> int:
    """Return the most rows of which any selection can be deleted without changing a code of the training.

    Exact in both directions, up to ``ALLOWANCE``: some deletion of one row more changes a code. Until the first
    changed code the weights are the same, so the full data's gradients are the right ones; deleting k rows
    moves a coordinate's mean anywhere between the means without its k largest and without its k smallest; and
    a code is monotone in the mean. Majority variant in closed form only. Verified by enumeration in
    tests/guarantees/test_unlearning_pcmu.py.
    """
    if settings.variant != "majority" or settings.draws:
        raise ValueError("the exact budget is that of the majority variant in closed form")
    alive = np.ones(task.data.rows, dtype=np.bool_)
    turn = smoothed_threshold(settings.threshold, settings.sigma)
    budget, weights = task.data.rows - 1, task.start(seed)
    for step in descend(task, settings, weights, alive, seed=seed):
        budget = _unchanged(task.gradients(weights), turn, budget, ALLOWANCE * task.clip)
        if budget == 0:
            return 0
        weights = step.weights
    return budget


def extreme_means(gradients: Array, most: int) -> tuple[Array, Array]:
    """Return the least and greatest mean of each coordinate when k = 0..most of n rows leave: (most+1, p) each."""
    rows = len(gradients)
    ordered = np.sort(gradients, axis=0)
    left = (rows - np.arange(most + 1))[:, None]
    total = ordered.sum(axis=0)
    nothing = np.zeros((1, gradients.shape[1]))
    smallest = np.concatenate([nothing, ordered[:most].cumsum(axis=0)])
    largest = np.concatenate([nothing, ordered[::-1][:most].cumsum(axis=0)])
    return (total - largest) / left, (total - smallest) / left


def _unchanged(gradients: Array, turn: float, most: int, allowance: float) -> int:
    least, greatest = extreme_means(gradients, most)
    code = quantise(least[0], turn)
    kept = (quantise(least - allowance, turn) == code) & (quantise(greatest + allowance, turn) == code)
    broken = np.flatnonzero(~kept.all(axis=1))
    return int(max(broken[0] - 1, 0)) if len(broken) else most
