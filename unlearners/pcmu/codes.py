"""Quantised and smoothed codes of gradients, in closed form. Knows no data, no model and no budget."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

__all__ = [
    "Array",
    "Codes",
    "code_probabilities",
    "quantise",
    "radius",
    "smoothed_codes",
    "smoothed_threshold",
    "smoothing_radius",
]

Array: TypeAlias = NDArray[np.float64]
Codes: TypeAlias = NDArray[np.int8]


def quantise(gradient: Array, threshold: float) -> Codes:
    """Return +1 above the threshold, -1 below its negative, else 0."""
    return (gradient > threshold).astype(np.int8) - (gradient < -threshold).astype(np.int8)


def code_probabilities(gradient: Array, threshold: float, sigma: float) -> Array:
    """Return P(quantise(g + N(0, sigma²)) = -1, 0, +1), shape (3, …).

    The middle one is a difference of tails taken on the side where it does not cancel.
    """
    size = np.abs(gradient)
    below = np.asarray(ndtr((-threshold - gradient) / sigma))
    above = np.asarray(ndtr((gradient - threshold) / sigma))
    middle = ndtr((threshold - size) / sigma) - ndtr((-threshold - size) / sigma)
    return np.stack([below, np.asarray(middle), above])


def smoothed_threshold(threshold: float, sigma: float) -> float:
    """Return τ*: the likeliest code of g + N(0, sigma²) is ``quantise(g, τ*)``.

    P(+1) - P(0) grows with g on g ≥ 0 and P(-1) ≤ P(+1) there, so the likeliest code changes once, where the
    two are equal; g ≤ 0 mirrors it. Raises ``ValueError`` where τ/sigma is so small (under Φ⁻¹(2/3) = .431) that 0
    is never the likeliest code: a ternary code would then be a binary one.
    """
    if not (sigma > 0 and math.isfinite(sigma) and math.isfinite(threshold)):
        raise ValueError(f"needs sigma > 0 and a finite threshold, got {sigma!r} and {threshold!r}")
    ratio = threshold / sigma
    if not _gap(0.0, ratio) < 0:
        raise ValueError(f"threshold/sigma must exceed {ndtri(2 / 3):.4f}, got {ratio:.4g}: no code would be 0")
    return float(sigma * brentq(_gap, 0.0, ratio + 1.0, args=(ratio,), xtol=1e-15, rtol=1e-14))


def _gap(point: float, ratio: float) -> float:
    """P(+1) - P(0) at g = point·sigma, as log(2·P(+1)/(1 - P(-1))): the same sign, and no cancellation."""
    return float(math.log(2) + log_ndtr(point - ratio) - log_ndtr(ratio + point))


def smoothed_codes(gradient: Array, threshold: float, sigma: float) -> Codes:
    """Return the likeliest code of every coordinate under the noise."""
    return quantise(gradient, smoothed_threshold(threshold, sigma))


def radius(gradient: Array, threshold: float, sigma: float) -> Array:
    """Return ||g| - τ*|: how far each coordinate is from the nearest place where its smoothed code changes.

    Exact: a move by less keeps the code (proof: docs/unlearners/pcmu.md; verified by
    tests/unlearners/pcmu/test_codes.py).
    """
    return np.asarray(np.abs(np.abs(gradient) - smoothed_threshold(threshold, sigma)))


def smoothing_radius(first: Array, second: Array, sigma: float) -> Array:
    """Return (sigma/2)(Φ⁻¹(p_A) - Φ⁻¹(p_B)), the radius that holds for every quantiser; 0 where p_A ≤ p_B.

    ``first`` is (a lower bound of) the likeliest code's probability, ``second`` (an upper bound of) the
    runner-up's. Never more than ``radius``, which knows the quantiser.
    """
    with np.errstate(invalid="ignore"):
        gap = np.asarray(ndtri(first) - ndtri(second))
    return np.where(first > second, sigma / 2 * gap, 0.0)
