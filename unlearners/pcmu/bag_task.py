"""A softmax head on units of many tokens, as PCMU trains it: one clipped gradient a unit. Knows no noise."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from unlearners.arrays import Numbers, Put, fetched, in_memory, length, less_one_at, softmax
from unlearners.bags import Bags
from unlearners.pcmu.codes import Array
from unlearners.pcmu.task import ON_UNITS, Alive, name_with_clip
from unlearners.protocol import Refused

__all__ = ["BagTask"]


class BagTask:
    """Units under the mean cross-entropy of their tokens; starts at the public weights (outputs, d).

    ``clip`` None takes √2, above which nothing is clipped. ``put`` brings arrays to where gradients are computed.
    Raises ``Refused`` for a single unit, or a token longer than 1.
    """

    def __init__(self, data: Bags, public: Array, *, clip: float | None = None, put: Put = in_memory) -> None:
        if data.rows < 2:
            raise Refused("there are at least two units, so that one can be deleted", f"there is {data.rows}")
        data = data.bounded()
        if public.shape != (data.outputs, data.width):
            raise ValueError(f"the weights have shape {(data.outputs, data.width)}, not {public.shape}")
        self.data = data
        self.clip = math.sqrt(2) if clip is None else clip
        self.size = public.size
        digest = hashlib.sha256(np.ascontiguousarray(public).tobytes()).hexdigest()[:16]
        self.name = name_with_clip(f"{ON_UNITS}, from {digest}", clip)
        self._public = public
        order = np.argsort(data.units, kind="stable")
        self._put = put
        self._features, self._labels = put(data.features), put(data.labels)
        self._places = [put(places) for places in np.split(order, np.cumsum(data.sizes)[:-1])]

    def start(self, seed: int) -> Array:
        """Return the public weights."""
        return self._public.ravel().copy()

    def gradients(self, weights: Array) -> Array:
        """Return every unit's clipped gradient, shape (n, p): for small problems."""
        matrix = self._put(self._matrix(weights))
        return np.stack([fetched(self._gradient(matrix, unit)).ravel() for unit in range(self.data.rows)])

    def mean_gradient(self, weights: Array, alive: Alive) -> Array:
        """Return the mean over the living units."""
        matrix = self._put(self._matrix(weights))
        total = self._put(np.zeros_like(self._public))
        for unit in np.flatnonzero(alive):
            total += self._gradient(matrix, int(unit))
        return fetched(total).ravel() / int(alive.sum())

    def predictions(self, weights: Array, features: Array) -> NDArray[np.int64]:
        """Return the likeliest token after each row of features."""
        return np.asarray((features @ self._matrix(weights).T).argmax(axis=1), dtype=np.int64)

    def _matrix(self, weights: Array) -> Array:
        return weights.reshape(self._public.shape)

    def _gradient(self, matrix: Numbers, unit: int) -> Numbers:
        places = self._places[unit]
        features, labels = self._features[places], self._labels[places]
        gaps = less_one_at(softmax(features @ matrix.T)[:, None], labels)[:, 0]
        gradient = gaps.T @ features / len(labels)
        norm = float(length(gradient[None])[0])
        return gradient * (self.clip / norm) if norm > self.clip else gradient
