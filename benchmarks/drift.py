"""What noticing drift costs: microseconds per observation of both monitors, alone and in the gateway.

Run ``python benchmarks/drift.py --observations 100000``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from calibration.certificate import Certificate
from calibration.drift import Audits, Scores, after_audit, after_score
from calibration.issue import issue_certificate
from calibration.trajectories import Bindings, Candidate, Recording, Trajectory
from gateway.drift.monitoring import Drift, Reactions
from gateway.guard.policy import Bounded


def per_score(observations: int, chunk: int) -> list[float]:
    """Feed scores, many of them exactly 0, and time each chunk: microseconds per observation."""
    values = first_scores(observations)
    monitor, found = Scores(seed=1), []
    for start in range(0, observations, chunk):
        begun = time.perf_counter()
        for score in values[start : start + chunk]:
            monitor = after_score(monitor, score)
        found.append((time.perf_counter() - begun) / len(values[start : start + chunk]) * 1e6)
    return found


def first_scores(observations: int) -> list[float]:
    """Draw scores as of quiet traffic."""
    rng = np.random.default_rng(0)
    values: list[float] = np.where(rng.random(observations) < 0.7, 0.0, rng.beta(2, 6, observations)).tolist()
    return values


def per_request(observations: int, chunk: int) -> list[float]:
    """Do all that the gateway does for one request: the rule, the score, its state on disk now and then."""
    certificate, values, found = any_certificate(), first_scores(observations), []
    rule = Bounded(0.5, certificate.id)
    with tempfile.TemporaryDirectory() as folder:
        drift = Drift(Reactions(), Path(folder) / "state.json", seed=lambda: 1)
        drift.follow([certificate])
        for start in range(0, observations, chunk):
            begun = time.perf_counter()
            for score in values[start : start + chunk]:
                drift.rule(certificate, rule)
                drift.saw(certificate, score)
            found.append((time.perf_counter() - begun) / len(values[start : start + chunk]) * 1e6)
    return found


def any_certificate() -> Certificate:
    """Issue a certificate for a made-up recording."""
    prompts = tuple(Trajectory(f"p{n}", (Candidate(0, 0.5, leak=True),)) for n in range(60))
    recording = Recording(Bindings("g", "v", {}, "r", "d", 3, "p"), prompts)
    return issue_certificate(recording, level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z")


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
    for name, measure in (("scores", per_score), ("audits", per_audit), ("a request in the gateway", per_request)):
        found = measure(chosen.observations, chosen.chunk)
        print(
            f"{name}: {statistics.median(found):.1f} us per observation "
            f"(first {found[0]:.1f}, last {found[-1]:.1f}, worst chunk {max(found):.1f})"
        )


if __name__ == "__main__":
    main()
