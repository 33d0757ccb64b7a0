"""Units of many rows each, such as all that one person said: forgotten whole. Knows no unlearner and no text."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unlearners.data import bounded_rows
from unlearners.protocol import Refused

__all__ = ["BAGGED", "PUBLIC_START", "Bags"]

BAGGED = "a forgotten row is a unit with all its tokens, whose loss is the mean over them"
PUBLIC_START = "the weights that it starts from never learned the forgotten rows, such as a public head"


@dataclass(frozen=True, slots=True, eq=False)
class Bags:
    """Tokens: features (t, d), labels (t,) in [0, outputs) and units (t,) in [0, n); ``ids`` (n,) name the units.

    A unit's loss is the mean over its tokens, so that it is bounded and smooth as one token's is, however many
    there are (docs/unlearners/heads.md). Raises ``Refused`` for a unit without tokens or a feature that is no
    number, ``ValueError`` where shapes disagree.
    """

    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    outputs: int
    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        tokens = len(self.features)
        if self.features.ndim != 2 or not self.labels.shape == self.units.shape == (tokens,):
            shapes = f"{self.features.shape}, {self.labels.shape}, {self.units.shape}"
            raise ValueError(f"needs features (t, d), labels (t,) and units (t,), got {shapes}")
        if len(set(self.ids)) != len(self.ids):
            raise ValueError("every unit needs an id of its own")
        if tokens == 0 or self.features.shape[1] == 0:
            raise Refused("there is at least one token and one feature", f"the data are {self.features.shape}")
        for name, most in (("labels", self.outputs), ("units", len(self.ids))):
            values = getattr(self, name)
            if values.min() < 0 or values.max() >= most:
                raise ValueError(f"{name} lie in [0, {most}), got {values.min()} to {values.max()}")
        if len(empty := np.flatnonzero(self.sizes == 0)):
            raise Refused("every unit has tokens", f"the unit {self.ids[empty[0]]!r} has none")
        if not np.isfinite(self.features).all():
            raise Refused("every feature is a finite number", "one is not")

    @property
    def rows(self) -> int:
        """Return n, the number of units."""
        return len(self.ids)

    @property
    def width(self) -> int:
        """Return d."""
        return int(self.features.shape[1])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Return how many tokens each unit has, shape (n,)."""
        return np.bincount(self.units, minlength=len(self.ids))

    @property
    def shares(self) -> NDArray[np.float64]:
        """Return each token's weight in its unit's mean, shape (t,)."""
        return 1 / self.sizes[self.units]

    @property
    def sha256(self) -> str:
        """Return a digest of features, labels and units, not of the ids."""
        digest = hashlib.sha256(repr((self.features.shape, self.outputs, self.rows)).encode())
        for values in (self.features, self.labels, self.units):
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def bounded(self) -> Bags:
        """Shorten tokens that rounding made longer than 1. Raises ``Refused`` for one that is longer than that."""
        return replace(self, features=bounded_rows(self.features))
