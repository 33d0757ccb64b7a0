"""Small recordings for the tests of this folder."""

from __future__ import annotations

import numpy as np

from calibration.trajectories import Bindings, Candidate, Recording, Trajectory

__all__ = ["BINDINGS", "CREATED", "prompt", "recording"]

CREATED = "2026-01-31T12:00:00Z"
BINDINGS = Bindings("model-1", "lexical-1", {"a": "fa", "b": "fb"}, "revise-1", "greedy-1", 3, "prompts-1")


def prompt(name: str, *scored: tuple[float, bool | None], **rest: object) -> Trajectory:
    """A trajectory from pairs of score and label, one round each."""
    candidates = tuple(Candidate(t, score, leak=leak) for t, (score, leak) in enumerate(scored))
    return Trajectory(name, candidates, **rest)  # type: ignore[arg-type]


def recording(forget: int = 120, benign: int = 20, seed: int = 0) -> Recording:
    """Prompts that a good verifier sees through, in two topics and two families."""
    rng = np.random.default_rng(seed)
    trajectories = []
    for number in range(forget):
        leaks = (rng.random(3) < [0.9, 0.5, 0.2]).tolist()
        scores = np.where(leaks, rng.beta(8, 2, 3), rng.beta(2, 8, 3)).tolist()
        topic = "ab"[number % 2]
        candidates = tuple(
            Candidate(t, score, (topic,), f"answer {t}", leak)
            for t, (score, leak) in enumerate(zip(scores, leaks, strict=True))
        )
        groups = {"family": ["direct", "paraphrase"][number % 3 == 0]}
        trajectories.append(Trajectory(f"forget-{number}", candidates, topic=topic, groups=groups))
    for number in range(benign):
        score = 0.9 if number == 0 else 0.0
        trajectories.append(prompt(f"benign-{number}", (score, None), (0.0, None), benign=True))
    return Recording(BINDINGS, tuple(trajectories))
