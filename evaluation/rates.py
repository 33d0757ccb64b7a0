"""Rates with their exact intervals. Knows no models and no texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scipy.special import betaincinv

__all__ = ["Rate"]


@dataclass(frozen=True, slots=True)
class Rate:
    """``hits`` of ``total``, with the Clopper-Pearson interval, exact for independent trials."""

    hits: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.total:
            raise ValueError(f"{self.hits} of {self.total} is no rate")

    @classmethod
    def of(cls, outcomes: Iterable[bool]) -> Rate:
        """Count the true ones."""
        seen = list(outcomes)
        return cls(sum(seen), len(seen))

    @property
    def value(self) -> float | None:
        """The share in [0, 1]; None of nothing."""
        return self.hits / self.total if self.total else None

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Bound the true rate on both sides; (0, 1) where nothing was counted."""
        if not self.total:
            return (0.0, 1.0)
        tail, misses = (1.0 - confidence) / 2, self.total - self.hits
        low = float(betaincinv(self.hits, misses + 1, tail)) if self.hits else 0.0
        high = float(betaincinv(self.hits + 1, misses, 1.0 - tail)) if misses else 1.0
        return (low, high)
