"""Smoothed codes and their radii by sampling, with one confidence for a whole training. Knows no closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from unlearners.pcmu.codes import Array, Codes, quantise, smoothing_radius

__all__ = ["Sampled", "count_codes", "lower_bound", "sampled_codes", "upper_bound"]

Counts = NDArray[np.int64]

SIMULTANEOUS = 6
"""Bounds that must hold at once per coordinate and step: a lower and an upper one for each of three codes."""

CHUNK = 1 << 21
"""Numbers drawn at once, so that memory stays small."""


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """The most frequent code of every coordinate, and a radius around it (0: not decided by these draws)."""

    codes: Codes
    radii: Array


def lower_bound(hits: Counts, draws: int, failure: float) -> Array:
    """Return the Clopper-Pearson lower bound of a probability; above it with probability ≤ ``failure``."""
    bound = beta.ppf(failure, hits, draws - hits + 1)
    return np.where(hits == 0, 0.0, bound)


def upper_bound(hits: Counts, draws: int, failure: float) -> Array:
    """Return the Clopper-Pearson upper bound of a probability; below it with probability ≤ ``failure``."""
    bound = beta.isf(failure, hits + 1, draws - hits)
    return np.where(hits == draws, 1.0, bound)


def count_codes(gradient: Array, threshold: float, sigma: float, draws: int, rng: np.random.Generator) -> Counts:
    """Count the codes -1, 0, +1 of ``draws`` noisy copies of each coordinate, shape (3, p)."""
    counts = np.zeros((3, gradient.size), dtype=np.int64)
    left = draws
    while left > 0:
        size = min(left, max(1, CHUNK // gradient.size))
        codes = quantise(gradient + sigma * rng.standard_normal((size, gradient.size)), threshold)
        counts += np.stack([(codes == code).sum(axis=0) for code in (-1, 0, 1)])
        left -= size
    return counts


def sampled_codes(
    gradient: Array,
    threshold: float,
    sigma: float,
    *,
    draws: int,
    failure: float,
    steps: int,
    rng: np.random.Generator,
) -> Sampled:
    """Take each coordinate's most frequent code, and (sigma/2)(Φ⁻¹(p_A) - Φ⁻¹(p_B)) from simultaneous bounds.

    Guarantee:   over a training of ``steps`` such calls, all codes with a positive radius are the smoothed ones
                 and all radii hold, except with probability ``failure``; later steps may depend on earlier draws.
    Assumes:     fresh draws at each step.
    Source:      Clopper-Pearson and the union bound over codes, sides, coordinates and steps.
    Verified by: tests/guarantees/test_unlearning_pcmu.py
    """
    counts = count_codes(gradient, threshold, sigma, draws, rng)
    share = failure / (SIMULTANEOUS * gradient.size * steps)
    best = counts.argmax(axis=0)
    columns = np.arange(gradient.size)
    first = lower_bound(counts[best, columns], draws, share)
    others = upper_bound(counts, draws, share)
    others[best, columns] = 0.0
    # the codes' probabilities sum to 1, so the runner-up has at most what the best leaves
    second = np.minimum(others.max(axis=0), 1 - first)
    return Sampled((best - 1).astype(np.int8), smoothing_radius(first, second, sigma))
