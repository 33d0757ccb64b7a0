"""From token vectors to one vector a text, as a checkpoint says. Knows no models and no text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["POOLINGS", "Floats", "Ints", "pool"]

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]


def _mean(hidden: Floats, weights: Floats) -> Floats:
    mean: Floats = np.asarray((hidden * weights).sum(axis=1) / _counted(weights), np.float32)
    return mean


def _mean_sqrt(hidden: Floats, weights: Floats) -> Floats:
    mean: Floats = np.asarray((hidden * weights).sum(axis=1) / np.sqrt(_counted(weights)), np.float32)
    return mean


def _counted(weights: Floats) -> Floats:
    """Count the tokens; a text with none gets a zero vector, which is refused."""
    return np.asarray(np.maximum(weights.sum(axis=1), np.float32(1e-9)), np.float32)


def _first(hidden: Floats, weights: Floats) -> Floats:
    first: Floats = hidden[np.arange(len(hidden)), weights[..., 0].argmax(axis=1)]
    return first


def _last(hidden: Floats, weights: Floats) -> Floats:
    length = weights.shape[1]
    last: Floats = hidden[np.arange(len(hidden)), length - 1 - weights[:, ::-1, 0].argmax(axis=1)]
    return last


def _largest(hidden: Floats, weights: Floats) -> Floats:
    return np.asarray(np.where(weights > 0, hidden, -np.inf).max(axis=1), np.float32)


POOLINGS: Final[Mapping[str, Callable[[Floats, Floats], Floats]]] = {
    "cls": _first,
    "mean": _mean,
    "max": _largest,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "lasttoken": _last,
}
"""The poolings of sentence-transformers that need nothing but the tokens, by the names that it gives them."""


def pool(hidden: Floats, mask: Ints, modes: tuple[str, ...]) -> Floats:
    """Pool ``hidden``, shape (texts, tokens, width), where ``mask``, shape (texts, tokens), is 1.

    Returns unit vectors, shape (texts, width times the number of modes). Padding changes nothing. Raises
    ``FloatingPointError`` where a vector is not finite or zero: such a text cannot be compared with any other.
    """
    weights = mask[..., None].astype(np.float32)
    joined = np.concatenate([POOLINGS[mode](hidden, weights) for mode in modes], axis=1)
    norms = np.linalg.norm(joined, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or (norms <= 0).any():
        raise FloatingPointError("the embedding model gives a vector that is zero or not finite")
    unit: Floats = (joined / norms).astype(np.float32)
    return unit
