"""The joint choice of threshold, rounds and strategy, simulated against all its limits at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from calibration.fixed_sequence import reached_exactly
from calibration.joint import (
    Configuration,
    JointChoice,
    Limits,
    Observed,
    Reached,
    choose_jointly,
    observe,
    pareto_order,
    passing_in_order,
)
from calibration.ltt import reached_by_mapie
from calibration.outcome import Infeasible
from calibration.trajectories import Candidate, Recording, Trajectory
from tests.calibration.samples import BINDINGS

from .conftest import Note
from .harness import check_kept, check_not_timid

pytestmark = pytest.mark.guarantee

REPS = 400
SIZE = 2_000
LIMITS = Limits(leaks=0.12, changed=0.2, refused=0.5)


@cache
def population(name: str) -> Observed:
    """Replay a law's forget and benign prompts under two strategies, up to three rounds."""
    if name == "luck":
        return _luck(0.13)
    good = name == "good"
    recordings = {
        strategy: Recording(BINDINGS, _prompts(seed, fresh, good))
        for seed, (strategy, fresh) in enumerate({"revise": 0.25, "unaware": 0.6}.items())
    }
    return observe(recordings, rounds=(1, 2, 3))


def _prompts(seed: int, later_leaks: float, good: bool) -> tuple[Trajectory, ...]:
    rng = np.random.default_rng(80 + seed)
    leaks = rng.random((SIZE, 3)) < [0.7, later_leaks, later_leaks]
    sharp = (8, 2) if good else (4, 3)
    scores = np.where(leaks, rng.beta(*sharp, leaks.shape), rng.beta(*sharp[::-1], leaks.shape))
    benign = rng.beta(1, 9, (SIZE, 3))
    rows = [
        *zip(["f"] * SIZE, scores.tolist(), leaks.tolist(), strict=True),
        *zip(["b"] * SIZE, benign.tolist(), [[False] * 3] * SIZE, strict=True),
    ]
    return tuple(
        Trajectory(
            f"{kind}{i:06}",
            tuple(Candidate(t, s, leak=y) for t, (s, y) in enumerate(zip(row, labels, strict=True))),
            benign=kind == "b",
        )
        for i, (kind, row, labels) in enumerate(rows)
    )


def _luck(risk: float) -> Observed:
    """Sixty configurations that leak by themselves, each cheaper than the last: only luck tells them apart."""
    rng = np.random.default_rng(83)
    return Observed(
        tuple(Configuration("s", 1, (c + 1) / 60) for c in range(60)),
        rng.random((SIZE, 60)) < risk,
        np.zeros((SIZE, 60), bool),
        np.zeros((SIZE, 60), bool),
        np.tile(np.arange(60, 0, -1), (SIZE, 1)),
    )


def draws(everything: Observed, n: int, reps: int, seed: int) -> list[Observed]:
    """Calibration draws of ``n`` forget and ``n`` benign units."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(everything.leaks), (reps, 2, n))
    return [everything.of(forget, benign) for forget, benign in picks]


def misses_of(found: list[JointChoice | Infeasible], everything: Observed, limits: Limits) -> int:
    """Count the choices of which any passed configuration breaks any limit."""
    keeps = dict(zip(everything.configurations, safe(everything, limits).tolist(), strict=True))
    return sum(
        not all(keeps[tested.configuration] for tested in choice.passed)
        for choice in found
        if isinstance(choice, JointChoice)
    )


def safe(everything: Observed, limits: Limits) -> np.ndarray:
    """Say which configurations truly keep all the limits."""
    keeps = (everything.leaks.mean(axis=0) <= limits.leaks) & (everything.changed.mean(axis=0) <= limits.changed)
    return keeps & (everything.refused.mean(axis=0) <= (1.0 if limits.refused is None else limits.refused))


@pytest.mark.parametrize("reached", [reached_by_mapie, reached_exactly])
@pytest.mark.parametrize("name", ["good", "poor", "luck"])
def test_both_promises_hold_at_once_with_confidence(name: str, reached: Reached, note: Note) -> None:
    """Theorem 10: leaks, changed benign answers and refusals, for all that passed, by both engines."""
    everything, limits = population(name), LIMITS
    found = [
        choose_jointly(o, limits, confidence=0.95, seed=s, reached=reached)
        for s, o in enumerate(draws(everything, 200, REPS, 84))
    ]
    misses = misses_of(found, everything, limits)
    note(f"joint choice, {name}, {reached.__name__}, n=200 and 200", misses, REPS, 0.05)
    check_kept(misses, REPS, 0.05)


def test_the_joint_choice_is_not_timid_at_the_border(note: Note) -> None:
    """A risk just above the level is passed nearly as often as the confidence allows."""
    size, reps, n = 10_000, 3_000, 271  # 181 of them test, where the binomial tail comes close to 5 %
    one = Configuration("s", 1, 0.5)
    leaking = (np.arange(size) < 0.05 * size + 1)[:, None]
    never = np.zeros((size, 1), bool)
    border = Observed((one,), leaking, never, never, np.ones((size, 1), int))
    found = [
        choose_jointly(o, Limits(0.05, 0.1), confidence=0.95, seed=s)
        for s, o in enumerate(draws(border, n, reps, 85))
    ]
    misses = misses_of(found, border, Limits(0.05, 0.1))
    note(f"joint choice, at the border, n={n}", misses, reps, 0.05)
    check_kept(misses, reps, 0.05)
    check_not_timid(misses, reps, 0.05)


def test_it_saves_generations_and_comes_near_the_best_there_is() -> None:
    """On the good verifier: where it chooses, close to the cheapest configuration that is truly safe."""
    everything, limits = population("good"), LIMITS
    cost = dict(zip(everything.configurations, everything.generations.mean(axis=0), strict=True))
    best = everything.generations.mean(axis=0)[safe(everything, limits)].min()
    found = [
        choose_jointly(o, limits, confidence=0.95, seed=s) for s, o in enumerate(draws(everything, 400, 200, 86))
    ]
    chosen = [cost[c.chosen.configuration] for c in found if isinstance(c, JointChoice)]
    assert len(chosen) >= 0.9 * len(found)
    assert best > 1.1  # a single round refuses too often
    assert np.mean(chosen) <= 1.15 * best


def test_an_order_learned_on_the_tested_units_is_caught() -> None:
    """The harness fails where the same units order and test: the luckiest configurations come first."""
    everything, limits = population("luck"), Limits(0.12, 0.2)
    found = [
        passing_in_order(o, pareto_order(o, limits), limits, confidence=0.95)
        for o in draws(everything, 200, REPS, 84)
    ]
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(misses_of(found, everything, limits), REPS, 0.05)


def test_testing_one_promise_alone_is_caught() -> None:
    """The harness fails where only leaks are tested: strict thresholds change every benign answer."""
    everything, limits = population("poor"), Limits(0.3, 0.02)
    unchanging = Observed(
        everything.configurations,
        everything.leaks,
        everything.refused,
        np.zeros_like(everything.changed),
        everything.generations,
    )
    found = [
        choose_jointly(o, limits, confidence=0.95, seed=s) for s, o in enumerate(draws(unchanging, 400, 100, 87))
    ]
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(misses_of(found, everything, limits), 100, 0.05)


def test_mapie_and_the_exact_test_agree_in_direction() -> None:
    """MAPIE passes the exact test's configurations or some of them first, and all of them in 90 % of draws."""
    everything = population("good")
    pairs = [
        [
            choose_jointly(o, LIMITS, confidence=0.95, seed=s, reached=reached)
            for reached in (reached_by_mapie, reached_exactly)
        ]
        for s, o in enumerate(draws(everything, 200, 200, 88))
    ]
    passed = [[c.passed if isinstance(c, JointChoice) else () for c in pair] for pair in pairs]
    assert all(mapie == exact[: len(mapie)] for mapie, exact in passed)
    assert sum(mapie == exact for mapie, exact in passed) >= 0.9 * len(passed)
