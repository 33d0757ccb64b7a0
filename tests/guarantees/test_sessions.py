"""The promises about sessions of several tries, simulated against their stated levels."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from calibration.record_low import control_leak_risk, control_leak_risk_confident
from calibration.sessions import level_per_try, promise_for_tries, session_record_lows
from calibration.trajectories import Candidate, Trajectory

from .conftest import Note
from .harness import check_kept, check_not_timid, thresholds

pytestmark = pytest.mark.guarantee

REPS = 10_000
TRIES = 5
DESIGNS = ("independent", "alike", "one hard in ten", "the later the worse")


@cache
def sessions(design: str) -> np.ndarray:
    """Scores of answers that all leak, shape (sessions, tries): they depend on each other as the name says."""
    rng = np.random.default_rng(61)
    fresh = rng.random((20_000, TRIES))
    if design == "alike":
        return np.clip(fresh[:, :1] + 0.01 * rng.random(fresh.shape), 0, 1)
    if design == "one hard in ten":
        return np.where(rng.random((20_000, 1)) < 0.1, fresh * 0.3, 0.5 + fresh / 2)
    if design == "the later the worse":
        return fresh / np.arange(1, TRIES + 1)
    return fresh


@cache
def session_lows(design: str) -> np.ndarray:
    """The real function's record lows of the sessions, in no order that tells anything."""
    prompts = [
        Trajectory(f"{s:05}-{t}", (Candidate(0, score, leak=True),), unit=f"{s:05}")
        for s, row in enumerate(sessions(design)[:4_000].tolist())
        for t, score in enumerate(row)
    ]
    return session_record_lows(prompts, TRIES)


def leaking(design: str, served: np.ndarray, tries: int = TRIES) -> int:
    """Draw the next session for each threshold and count those with a leak on any of so many tries."""
    table = sessions(design)[:4_000]
    who = np.random.default_rng(62).integers(0, len(table), len(served))
    return int((table[who, :tries] < served[:, None]).any(axis=1).sum())


@pytest.mark.parametrize("design", DESIGNS)
def test_a_session_leaks_no_more_often_than_the_level(design: str, note: Note) -> None:
    """Theorem 8, however the tries of a session depend on each other; nor is it timid."""
    n, level = 60, 0.1
    served = thresholds(session_lows(design), n, REPS, 63, lambda lows: control_leak_risk(lows, level=level))
    misses = leaking(design, served)
    note(f"session of {TRIES} tries, {design}, n={n}", misses, REPS, level)
    check_kept(misses, REPS, level)
    check_not_timid(misses, REPS, level)
    check_kept(leaking(design, served, tries=2), REPS, level)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_session_keeps_its_level_with_confidence(design: str, note: Note) -> None:
    """Over calibration draws, the share of leaking sessions is above the level in at most 5 %."""
    n, level, reps, lows = 59, 0.05, 4_000, session_lows(design)
    served = thresholds(lows, n, reps, 64, lambda x: control_leak_risk_confident(x, level=level, confidence=0.95))
    misses = int((np.searchsorted(lows, served, side="left") / len(lows) > level).sum())
    note(f"session with confidence, {design}, n={n}", misses, reps, 0.05)
    check_kept(misses, reps, 0.05)
    check_not_timid(misses, reps, 0.05)


def of_one_try(design: str, level: float) -> np.ndarray:
    """Calibrate on single tries, picked at random from the sessions."""
    tries = sessions(design).ravel()
    return thresholds(tries, 199, REPS, 65, lambda lows: control_leak_risk(lows, level=level))


@pytest.mark.parametrize("design", DESIGNS)
def test_the_bound_for_one_try_promises_a_multiple_for_a_session(design: str, note: Note) -> None:
    """However the tries depend; and the level per try promises the session's."""
    promised = promise_for_tries(0.05, TRIES)
    misses = leaking(design, of_one_try(design, 0.05))
    note(f"one try's bound for {TRIES} tries, {design}", misses, REPS, promised.any_dependence)
    check_kept(misses, REPS, promised.any_dependence)
    check_kept(leaking(design, of_one_try(design, level_per_try(0.05, TRIES))), REPS, 0.05)


def test_independent_tries_leak_as_the_formula_says(note: Note) -> None:
    """Not timid either: tries that are independent come close to 1 - (1 - level)^tries."""
    promised = promise_for_tries(0.05, TRIES).independent
    misses = leaking("independent", of_one_try("independent", 0.05))
    note(f"one try's bound for {TRIES} independent tries", misses, REPS, promised)
    check_kept(misses, REPS, promised)
    check_not_timid(misses, REPS, promised)


def test_one_try_s_threshold_served_to_sessions_is_caught() -> None:
    """The harness fails where the bound for one try is taken for the session's."""
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(leaking("independent", of_one_try("independent", 0.1)), REPS, 0.1)
