"""The promises per group and for subsets of the topics, simulated against their stated levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from calibration.groups import control_every_group, control_group_keys, strictest
from calibration.outcome import Certified
from calibration.record_low import (
    control_leak_risk,
    control_leak_risk_confident,
    covering_record_low,
    plain_record_low,
)
from calibration.trajectories import Candidate, Trajectory

from .conftest import Note
from .harness import check_kept, next_leaks, thresholds
from .laws import Law, law

pytestmark = pytest.mark.guarantee

REPS = 3_000
SHARES = {"good": 0.85, "all-leak": 0.15}


def _draw(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Draw the record lows of ``n`` units, split by group: most are easy, few are hard."""
    sizes = rng.multinomial(n, list(SHARES.values()))
    return {
        name: law(name).record_lows[rng.integers(0, 20_000, size)]
        for name, size in zip(SHARES, sizes, strict=True)
    }


def _served_for_every_group(n: int, level: float, confidence: float | None, reps: int) -> np.ndarray:
    rng = np.random.default_rng(31)
    served = []
    for _ in range(reps):
        outcome = control_every_group("family", _draw(rng, n), level=level, confidence=confidence)
        served.append(outcome.threshold if isinstance(outcome, Certified) else 0.0)
    return np.array(served)


@pytest.mark.parametrize("name", list(SHARES))
def test_each_group_leaks_no_more_often_than_the_level(name: str, note: Note) -> None:
    """Theorem 5: one threshold, and the bound holds within each group."""
    served = _served_for_every_group(200, 0.1, None, REPS)
    misses = next_leaks(law(name), served, 32)
    note(f"every group, {name}, n=200", misses, REPS, 0.1)
    check_kept(misses, REPS, 0.1)


def test_every_group_keeps_its_level_at_once_with_confidence(note: Note) -> None:
    """Theorem 5 with confidence: the chance that any group's risk is above the level is at most 5 %."""
    reps = 1_000
    served = _served_for_every_group(600, 0.1, 0.95, reps)
    worst = np.max([law(name).risks(served) for name in SHARES], axis=0)
    misses = int((worst > 0.1).sum())
    note("every group with confidence, n=600", misses, reps, 0.05)
    check_kept(misses, reps, 0.05)


@pytest.mark.parametrize("confidence", [None, 0.95])
def test_the_groups_of_two_keys_keep_their_level_at_once(confidence: float | None, note: Note) -> None:
    """Theorem 5 for topic and family together: five groups that overlap, with a law of its own in each cell."""
    reps, level, rng = 1_000, 0.1, np.random.default_rng(38)
    cells = {(t, f): _shifted(rng, 0.2 * t + 0.1 * f) for t in range(2) for f in range(3)}
    misses = 0
    for _ in range(reps):
        drawn = {cell: rng.choice(values, 50) for cell, values in cells.items()}
        lows = {
            "topic": {str(t): np.concatenate([drawn[t, f] for f in range(3)]) for t in range(2)},
            "family": {str(f): np.concatenate([drawn[t, f] for t in range(2)]) for f in range(3)},
        }
        found = control_group_keys(lows, ("topic", "family"), level=level, confidence=confidence)
        served = strictest(found, confidence)
        assert isinstance(served, Certified)
        leaking = {cell: float((values < served.threshold).mean()) for cell, values in cells.items()}
        risks = [np.mean([leaking[t, f] for f in range(3)]) for t in range(2)]
        risks += [np.mean([leaking[t, f] for t in range(2)]) for f in range(3)]
        misses += max(risks) > level if confidence else rng.random() < max(risks)
    allowed = level if confidence is None else 0.05
    note(f"groups of two keys, confidence {confidence}", misses, reps, allowed)
    check_kept(misses, reps, allowed)


def _shifted(rng: np.random.Generator, by: float) -> np.ndarray:
    return np.clip(rng.random(2_000) + by, 0, 1)


def test_a_hard_group_hidden_in_the_average_is_caught() -> None:
    """The harness fails for one threshold over all prompts, asked about the hard group alone."""
    rng = np.random.default_rng(33)
    served = []
    for _ in range(REPS):
        outcome = control_leak_risk(np.concatenate(list(_draw(rng, 200).values())), level=0.1)
        served.append(outcome.threshold if isinstance(outcome, Certified) else 0.0)
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(next_leaks(law("all-leak"), np.array(served), 34), REPS, 0.1)


@dataclass(frozen=True)
class TwoTopics:
    """Probes of topic A, recorded with A and B active, and what the same loop does once B is switched off."""

    plain: np.ndarray
    covering: np.ndarray
    without_b: Law


@cache
def two_topics() -> TwoTopics:
    """In 7 % of the probes the first answer leaks A unseen, and only B's words keep it back."""
    rng = np.random.default_rng(35)
    crossed = rng.random(10_000) < 0.07
    base = law("all-leak", 10_000)
    without_b = Law(np.where(crossed[:, None], 1e-6, base.scores), base.leaks)
    probes = [_probe(i, crossed[i], base.scores[i]) for i in range(len(crossed))]
    plain = np.array([plain_record_low(probe) for probe in probes])
    return TwoTopics(plain, np.array([covering_record_low(probe) for probe in probes]), without_b)


def _probe(number: int, crossed: bool, scores: np.ndarray) -> Trajectory:
    if crossed:
        kept_back = Candidate(0, 1.0, ("A", "B"), leak=True)
        return Trajectory(str(number), (kept_back, Candidate(1, 0.0, leak=False)), topic="A")
    candidates = tuple(Candidate(t, s, ("A",), leak=True) for t, s in enumerate(scores.tolist()))
    return Trajectory(str(number), candidates, topic="A")


def test_switching_a_topic_off_keeps_the_promise_where_cross_talk_was_counted(note: Note) -> None:
    """Theorem 7: B is switched off after calibration, and A's probes still leak no more than the level."""
    world, level = two_topics(), 0.1
    served = thresholds(world.covering, 199, 10_000, 36, lambda x: control_leak_risk(x, level=level))
    misses = next_leaks(world.without_b, served, 36)
    note("subset of the topics, n=199", misses, 10_000, level)
    check_kept(misses, 10_000, level)


def test_switching_a_topic_off_keeps_the_promise_with_confidence(note: Note) -> None:
    """The same with confidence: over calibration draws, the risk without B is above the level in at most 5 %."""
    world, level = two_topics(), 0.1
    served = thresholds(
        world.covering, 300, 1_000, 37, lambda x: control_leak_risk_confident(x, level=level, confidence=0.95)
    )
    misses = int((world.without_b.risks(served) > level).sum())
    note("subset of the topics with confidence, n=300", misses, 1_000, 0.05)
    check_kept(misses, 1_000, 0.05)


def test_switching_a_topic_off_under_a_plain_certificate_is_caught() -> None:
    """The harness fails where cross-talk was not counted as a leak."""
    world, level = two_topics(), 0.1
    served = thresholds(world.plain, 199, 10_000, 36, lambda x: control_leak_risk(x, level=level))
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(next_leaks(world.without_b, served, 36), 10_000, level)


def test_cross_talk_is_minus_infinity() -> None:
    """About 7 % of the covering record lows are minus infinity, and none of the plain ones."""
    world = two_topics()
    assert 0.06 < np.mean(world.covering == -math.inf) < 0.08
    assert not np.any(world.plain == -math.inf)
