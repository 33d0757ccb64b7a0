"""What NumPy and torch name differently, so that one descent runs on both. Knows no loss and imports no torch.

A function takes arrays of one kind and returns that kind: tensors are known by not being NumPy's, and bring
their own methods along. Arithmetic, slices and products read the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = [
    "Numbers",
    "Put",
    "fetched",
    "in_memory",
    "length",
    "less_one_at",
    "like",
    "normal_like",
    "norms",
    "sigmoid",
    "softmax",
]

Numbers: TypeAlias = Any
"""A NumPy array or a torch tensor."""

Put: TypeAlias = Callable[[NDArray[Any]], Numbers]
"""Brings an array to where a descent runs; ``unlearners.on_device`` has those that lead to torch."""


def in_memory(values: NDArray[Any]) -> Numbers:
    """Leave the array as it is: the descent runs in NumPy."""
    return values


def fetched(values: Numbers) -> NDArray[Any]:
    """Return the values as a NumPy array."""
    return values if isinstance(values, np.ndarray) else np.asarray(values.cpu().numpy())


def like(values: Numbers, reference: Numbers) -> Numbers:
    """Return values, whose kind may be NumPy's, in the reference's kind, type of number and device."""
    if isinstance(reference, np.ndarray):
        return values.astype(reference.dtype, copy=False)
    return reference.new_tensor(values) if isinstance(values, np.ndarray) else values.to(reference)


def normal_like(reference: Numbers, rng: np.random.Generator) -> Numbers:
    """Draw N(0, 1) in the reference's shape; always by NumPy, so that the noise is the same everywhere."""
    if isinstance(reference, np.ndarray):
        return rng.standard_normal(reference.shape, dtype=reference.dtype.type)
    return like(rng.standard_normal(tuple(reference.shape)), reference)


def norms(values: Numbers) -> Numbers:
    """Return the Euclidean norms along the last axis, which stays with one place."""
    if isinstance(values, np.ndarray):
        return np.linalg.norm(values, axis=-1, keepdims=True)
    return values.norm(dim=-1, keepdim=True)


def length(values: Numbers) -> Numbers:
    """Return the Euclidean norm of each run of an array (runs, outputs, d), shape (runs,)."""
    if isinstance(values, np.ndarray):
        return np.sqrt(np.einsum("rkd,rkd->r", values, values))
    return values.flatten(start_dim=1).norm(dim=1)


def sigmoid(scores: Numbers) -> Numbers:
    """Return 1/(1 + exp(-s))."""
    return special.expit(scores) if isinstance(scores, np.ndarray) else scores.sigmoid()


def softmax(scores: Numbers) -> Numbers:
    """Return the softmax along the last axis, as a new array."""
    return special.softmax(scores, axis=-1) if isinstance(scores, np.ndarray) else scores.softmax(dim=-1)


def less_one_at(values: Numbers, labels: Numbers) -> Numbers:
    """Take 1 in place where each row's label says, from ``values`` (rows, runs, outputs), and return them."""
    if isinstance(values, np.ndarray):
        values[np.arange(len(labels)), :, labels] -= 1
        return values
    places = labels[:, None, None].expand(-1, values.shape[1], 1)
    return values.scatter_add_(2, places, values.new_full(tuple(places.shape), -1.0))
