"""What a seed is used for: the order, the start, and each epoch's noise, all drawn apart. Knows no weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["order_of", "request_noise", "start_generator", "training_noise"]

ORDER, START, TRAINING, REQUEST = range(4)


def order_of(seed: int, rows: int) -> NDArray[np.int64]:
    """Return the fixed order in which the rows are cut into batches."""
    return _generator(seed, ORDER).permutation(rows)


def start_generator(seed: int) -> np.random.Generator:
    """Return what draws the first weights."""
    return _generator(seed, START)


def training_noise(seed: int, epoch: int) -> np.random.Generator:
    """Return what draws the noise of an epoch of the training."""
    return _generator(seed, TRAINING, epoch)


def request_noise(
    seed: int, before: Iterable[Sequence[int]], rows: Sequence[int], epoch: int
) -> np.random.Generator:
    """Return what draws the noise of an epoch (from 0) of the request for ``rows`` after those ``before``.

    Two different requests from one model get independent noise: with the same, the difference of the two
    results would hold none.
    """
    asked = json.dumps([[sorted(one) for one in before], sorted(rows)])
    words = np.frombuffer(hashlib.sha256(asked.encode()).digest(), dtype="<u4")
    return _generator(seed, REQUEST, epoch, *map(int, words))


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
