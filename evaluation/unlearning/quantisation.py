"""Rounding weights to few bits in groups, as a deployment would. Knows no model and no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rounding"]


@dataclass(frozen=True, slots=True)
class Rounding:
    """Symmetric round-to-nearest: ``group`` weights of a row share one scale (the last group may be smaller).

    A scale is the group's largest absolute weight over 2^(bits-1) - 1, kept in single precision, so that 4 bits
    have the 15 levels -7..7 and no weight moves by more than half a scale.
    """

    bits: int = 4
    group: int = 32

    def __post_init__(self) -> None:
        if self.bits < 2 or self.group < 1:
            raise ValueError(f"rounding needs 2 bits or more and groups of 1 or more, got {self}")

    @property
    def top(self) -> int:
        """The largest level."""
        return int(2 ** (self.bits - 1)) - 1

    def apply(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weights (rows, columns) after rounding. Raises ``ValueError`` for another shape."""
        if weights.ndim != 2:
            raise ValueError(f"rounds matrices (rows, columns), got the shape {weights.shape}")
        rows, columns = weights.shape
        padded = np.pad(weights, ((0, 0), (0, -columns % self.group)))
        groups = padded.reshape(rows, -1, self.group)
        scales = np.abs(groups).max(axis=2, keepdims=True) / self.top
        levels = np.rint(groups / np.where(scales == 0, 1, scales))
        rounded: NDArray[np.float32] = (levels * scales).reshape(rows, -1)[:, :columns].astype(np.float32)
        return rounded
