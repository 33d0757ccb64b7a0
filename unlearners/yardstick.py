"""How a model's weights are judged on some of what was learned, before a run and after it. Knows no method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unlearners.bags import Bags
from unlearners.data import Dataset
from unlearners.losses import loss_for
from unlearners.measured import Figure, Kind, Measured

__all__ = ["Rows", "Weights", "Yardstick", "compared", "of_bags", "of_rows"]

Rows: TypeAlias = NDArray[np.int64]
"""Positions in the data."""
Weights: TypeAlias = NDArray[np.floating[Any]]

MOST_UNITS = 500
"""Of more units, so many are looked at, evenly spaced: the head of a chat model takes time."""
SCORES = 1 << 22
"""How many scores are in memory at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Yardstick:
    """A score of weights on rows; ``untrained`` are weights that a training is compared with, if any are.

    ``commonest`` gives the share of some rows that is right by always answering the commonest class of others.
    """

    kind: Kind
    noun: str
    score: Callable[[Weights, Rows], float]
    untrained: Weights | None = None
    commonest: Callable[[Rows, Rows], float] | None = None
    most: int | None = None


def compared(
    yardstick: Yardstick, before: Weights | None, after: Weights, sets: Mapping[str, Rows], kept: str
) -> Measured:
    """Measure the weights of before and after on each set; ``kept`` names the set that is to be kept."""
    figures = []
    for name, rows in sets.items():
        if not len(rows):
            continue
        seen = rows if yardstick.most is None else _spaced(rows, yardstick.most)
        earlier = None if before is None else yardstick.score(before, seen)
        usual = None if yardstick.commonest is None else yardstick.commonest(seen, sets[kept])
        figures.append(Figure(name, len(seen), earlier, yardstick.score(after, seen), usual))
    return Measured(yardstick.kind, yardstick.noun, tuple(figures))


def of_rows(data: Dataset) -> Yardstick:
    """Judge a linear head by the share of rows that it answers right."""
    loss = loss_for(len(data.classes))

    def right(weights: Weights, rows: Rows) -> float:
        scores = data.features[rows] @ weights.reshape(loss.outputs, data.width).T
        return float(np.mean(loss.predictions(scores[:, None, :])[:, 0] == data.labels[rows]))

    def commonest(rows: Rows, kept: Rows) -> float:
        usual = np.bincount(data.labels[kept], minlength=len(data.classes)).argmax()
        return float(np.mean(data.labels[rows] == usual))

    return Yardstick("accuracy", "row", right, commonest=commonest)


def of_bags(data: Bags, public: Weights) -> Yardstick:
    """Judge a head by the mean loss of a token of the units' answers, beside the ``public`` head's."""

    def loss(weights: Weights, rows: Rows) -> float:
        places = np.flatnonzero(np.isin(data.units, rows))
        matrix = weights.reshape(data.outputs, data.width).T
        parts = np.array_split(places, -(-len(places) * data.outputs // SCORES))
        return float(sum(_surprise(data, matrix, part) for part in parts) / len(places))

    return Yardstick("loss", "unit", loss, untrained=public, most=MOST_UNITS)


def _surprise(data: Bags, matrix: Weights, places: Rows) -> float:
    """Return the summed loss of some tokens."""
    scores = data.features[places] @ matrix
    scores -= scores.max(axis=1, keepdims=True)
    right = scores[np.arange(len(places)), data.labels[places]]
    return float((np.log(np.exp(scores).sum(axis=1)) - right).sum())


def _spaced(rows: Rows, most: int) -> Rows:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
