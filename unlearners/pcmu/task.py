"""What PCMU trains on: data and a loss, seen through single rows' gradients. Knows no framework."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unlearners.data import Units
from unlearners.losses import Logistic, Multinomial
from unlearners.pcmu.codes import Array

__all__ = [
    "LOW_RANK",
    "OF_UNITS",
    "ON_UNITS",
    "OWN_ROW",
    "Alive",
    "Classifying",
    "PcmuTask",
    "clip_called_for",
    "name_with_clip",
]

Alive: TypeAlias = NDArray[np.bool_]
"""Which rows are left, of shape (n,)."""

OWN_ROW = "a row's gradient depends on no other row and on no chance"


ON_UNITS, LOW_RANK = "linear, softmax on units", "low-rank updates"
"""How the names begin of tasks whose rows are units with all that they said."""
OF_UNITS = (ON_UNITS, LOW_RANK)

_CLIPPED = ", clipped at "


def name_with_clip(model: str, clip: float | None) -> str:
    """Name a task whose gradients are clipped at ``clip``; None where only the loss's own bound holds them."""
    return model if clip is None else f"{model}{_CLIPPED}{clip!r}"


def clip_called_for(name: str) -> float:
    """Return the clip that a task's name calls for. Raises ``ValueError`` for a name of no task here."""
    model, _, clip = name.partition(_CLIPPED)
    if clip:
        return float(clip)
    for beginning, loss in (("linear, logistic", Logistic()), ("linear, ", Multinomial(2))):
        if model.startswith(beginning):
            return loss.gradient_bound
    raise ValueError(f"the model {name!r} is unknown to this version")


class PcmuTask(Protocol):
    """Data and a loss, seen through the gradients of single rows at weights (p,), each of norm ≤ ``clip``.

    A function of its arguments alone: row i's gradient does not change when other rows leave.
    """

    @property
    def clip(self) -> float:
        """The bound M."""
        ...

    @property
    def data(self) -> Units:
        """The n rows, or units."""
        ...

    @property
    def size(self) -> int:
        """Return p, the number of weights."""
        ...

    @property
    def name(self) -> str:
        """Which model and loss, as a certificate records it; changes whenever a gradient could."""
        ...

    def start(self, seed: int) -> Array:
        """Return the first weights; independent of the data."""
        ...

    def gradients(self, weights: Array) -> Array:
        """Return every row's clipped gradient, shape (n, p)."""
        ...

    def mean_gradient(self, weights: Array, alive: Alive) -> Array:
        """Return the mean of the clipped gradients of the rows that are alive, divided by their number."""
        ...


class Classifying(PcmuTask, Protocol):
    """A task whose model tells classes apart."""

    def predictions(self, weights: Array, features: Array) -> NDArray[np.int64]:
        """Return the class of each row of features."""
        ...
