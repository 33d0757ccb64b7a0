"""What noticing drift costs: microseconds per observation of both monitors, after many observations.

Run ``python benchmarks/drift.py --observations 100000``.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from calibration.drift import Audits, Scores, after_audit, after_score


def per_score(observations: int, chunk: int) -> list[float]:
    """Feed scores, many of them exactly 0, and time each chunk: microseconds per observation."""
    rng = np.random.default_rng(0)
    values = np.where(rng.random(observations) < 0.7, 0.0, rng.beta(2, 6, observations)).tolist()
    monitor, found = Scores(seed=1), []
    for start in range(0, observations, chunk):
        begun = time.perf_counter()
        for score in values[start : start + chunk]:
            monitor = after_score(monitor, score)
        found.append((time.perf_counter() - begun) / len(values[start : start + chunk]) * 1e6)
    return found


def per_audit(observations: int, chunk: int) -> list[float]:
    """Feed audited answers, one in fifty a leak: microseconds per observation."""
    leaks = (np.random.default_rng(0).random(observations) < 0.02).tolist()
    monitor, found = Audits(level=0.05, least_probability=0.1), []
    for start in range(0, observations, chunk):
        begun = time.perf_counter()
        for leaked in leaks[start : start + chunk]:
            monitor = after_audit(monitor, leaked=leaked, probability=0.5)
        found.append((time.perf_counter() - begun) / len(leaks[start : start + chunk]) * 1e6)
    return found


def main() -> None:
    """Print median, first and last chunk: the cost must not grow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--chunk", type=int, default=5_000)
    chosen = parser.parse_args()
    for name, measure in (("scores", per_score), ("audits", per_audit)):
        found = measure(chosen.observations, chosen.chunk)
        print(
            f"{name}: {statistics.median(found):.1f} us per observation "
            f"(first {found[0]:.1f}, last {found[-1]:.1f}, worst chunk {max(found):.1f})"
        )


if __name__ == "__main__":
    main()
