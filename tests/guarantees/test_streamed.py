"""Streamed answers: the record low of all beginnings bounds leaks in what was sent, simulated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.record_low import control_leak_risk, plain_record_low
from calibration.replay import leaks_at
from calibration.trajectories import Candidate, Trajectory

from .conftest import Note
from .harness import check_kept, check_not_timid, thresholds

pytestmark = pytest.mark.guarantee

Floats = NDArray[np.float64]
REPS = 10_000


@dataclass(frozen=True)
class Streams:
    """Answers of two rounds of three segments: the score of every beginning, and whether it leaks."""

    scores: Floats  # (population, rounds, segments), each the verdict on that beginning alone
    leaks: NDArray[np.bool_]

    def sent_leaks(self, who: NDArray[np.intp], served: Floats) -> NDArray[np.bool_]:
        """Stream as the gateway does, segment after segment, and say whether what was sent leaks."""
        found = np.zeros(len(who), bool)
        over = np.zeros(len(who), bool)
        for round_ in range(self.scores.shape[1]):
            going = ~over
            for segment in range(self.scores.shape[2]):
                going &= self.scores[who, round_, segment] < served
                over |= going
                found = np.where(going, self.leaks[who, round_, segment], found)
        return found

    def trajectory(self, one: int) -> Trajectory:
        """Record as the gateway does: by the worst score so far, each round's longest beginning first."""
        worst = np.maximum.accumulate(self.scores[one], axis=1)
        rounds, segments = worst.shape
        return Trajectory(
            f"{one:06}",
            tuple(
                Candidate(t, float(worst[t, s]), leak=bool(self.leaks[one, t, s]), partial=s < segments - 1)
                for t in range(rounds)
                for s in reversed(range(segments))
            ),
        )


@cache
def streams(name: str) -> Streams:
    """A good verifier, a poor one, one that forgets a beginning later, and one that sees a leak late."""
    rng = np.random.default_rng(81)
    begun = rng.random((8_000, 2, 3)) < [0.2, 0.25, 0.3]
    leaks = np.maximum.accumulate(begun, axis=2)
    poor = np.where(leaks, rng.beta(3, 3, leaks.shape), rng.beta(2.5, 3, leaks.shape))
    match name:
        case "good":
            return Streams(np.where(leaks, rng.beta(6, 2, leaks.shape), rng.beta(2, 8, leaks.shape)), leaks)
        case "poor":
            return Streams(poor, leaks)
        case "tied":
            return Streams(np.round(poor, 1), leaks)
        case "late":
            late = np.where(leaks, rng.beta(6, 2, leaks.shape), rng.beta(2, 8, leaks.shape))
            late[:, :, :2] = rng.beta(2, 8, leaks[:, :, :2].shape)
            return Streams(late, leaks)
        case _:
            fading = np.where(begun, rng.beta(5, 2, leaks.shape), rng.beta(2, 5, leaks.shape))
            return Streams(fading, leaks)


@cache
def record_lows(name: str) -> Floats:
    """The real function's, of each trajectory."""
    return np.array([plain_record_low(streams(name).trajectory(i)) for i in range(len(streams(name).scores))])


NAMES = ["good", "poor", "tied", "late", "fading"]


@pytest.mark.parametrize("name", NAMES)
def test_replay_of_the_recording_leaks_as_the_stream_does(name: str) -> None:
    """Two implementations agree at every threshold."""
    law = streams(name)
    for threshold in (0.1, 0.25, 0.4, 0.5, 0.7, 0.95):
        who = np.arange(200)
        mine = law.sent_leaks(who, np.full(200, threshold))
        assert mine.tolist() == [leaks_at(law.trajectory(i), threshold) for i in range(200)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "level"), [(19, 0.05), (60, 0.1)])
def test_what_is_sent_leaks_no_more_often_than_the_level(name: str, n: int, level: float, note: Note) -> None:
    """Theorem 15: calibrate on recorded beginnings, stream the next answer."""
    served = thresholds(record_lows(name), n, REPS, 82, lambda lows: control_leak_risk(lows, level=level))
    who = np.random.default_rng(83).integers(0, len(record_lows(name)), REPS)
    misses = int(streams(name).sent_leaks(who, served).sum())
    note(f"streamed, {name}, n={n}", misses, REPS, level)
    check_kept(misses, REPS, level)


def test_the_promise_about_streams_is_not_timid(note: Note) -> None:
    """Where one round alone is streamed and no scores tie, as much leaks as is allowed."""
    one = Streams(streams("good").scores[:, :1], streams("good").leaks[:, :1])
    lows = np.array([plain_record_low(one.trajectory(i)) for i in range(len(one.scores))])
    served = thresholds(lows, 59, REPS, 84, lambda drawn: control_leak_risk(drawn, level=0.1))
    who = np.random.default_rng(85).integers(0, len(lows), REPS)
    misses = int(one.sent_leaks(who, served).sum())
    note("streamed, one round, n=59", misses, REPS, 0.1)
    check_not_timid(misses, REPS, 0.1)


def test_judging_whole_answers_alone_is_caught() -> None:
    """A threshold that was calibrated on whole answers says nothing about their beginnings."""
    law = streams("late")
    whole = np.array(
        [
            plain_record_low(
                Trajectory(
                    "p",
                    tuple(Candidate(t, float(law.scores[i, t, 2]), leak=bool(law.leaks[i, t, 2])) for t in (0, 1)),
                )
            )
            for i in range(len(law.scores))
        ]
    )
    served = thresholds(whole, 60, REPS, 86, lambda lows: control_leak_risk(lows, level=0.1))
    who = np.random.default_rng(87).integers(0, len(whole), REPS)
    with pytest.raises(AssertionError, match="missed"):
        check_kept(int(law.sent_leaks(who, served).sum()), REPS, 0.1)
