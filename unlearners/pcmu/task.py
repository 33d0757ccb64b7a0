"""What PCMU trains on: data and a loss, seen through single rows' gradients. Knows no framework."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unlearners.data import Units
from unlearners.pcmu.codes import Array

__all__ = ["OWN_ROW", "Alive", "Classifying", "PcmuTask"]

Alive: TypeAlias = NDArray[np.bool_]
"""Which rows are left, of shape (n,)."""

OWN_ROW = "a row's gradient depends on no other row and on no chance"


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
