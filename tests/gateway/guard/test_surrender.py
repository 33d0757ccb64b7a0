"""Giving up early while serving: as calibration's replay says it would have been, and no sooner."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.release import Surrender
from calibration.replay import released, surrendered
from calibration.trajectories import Candidate as Recorded
from calibration.trajectories import Trajectory
from gateway.guard.fallback import UNAWARE
from gateway.guard.loop import Released
from gateway.guard.outcomes import measurements
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded
from gateway.guard.steps import Candidate

SCORES = np.array(["0.1", "0.3", "0.5", "0.7", "0.9"])


def giving_up(after, ceiling, threshold=0.2):
    """Serve at a threshold, with a surrender."""
    return Bounded(threshold, "c", Surrender(after, ceiling))


async def test_serving_gives_up_where_every_score_lies_above_the_ceiling(loop):
    """The third answer would pass, and is never drawn; it counts as blocked."""
    talk = loop(["0.9 a", "0.8 b", "0.0 c"])
    outcome = await talk.answer(giving_up(2, 0.7))
    assert ("surrendered", UNAWARE, 2) == (outcome.reason, outcome.choices[0].message["content"], outcome.rounds)
    assert (2, "blocked") == (len(talk.upstream.requests), measurements(outcome)["outcome"])


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (["0.9 a", "0.7 b", "0.0 c"], giving_up(2, 0.7)),
        (["0.6 a", "0.9 b", "0.0 c"], giving_up(2, 0.7)),
        (["0.9 a", "0.1 b"], giving_up(2, 0.0)),
        (["0.9 a", "0.9 b", "0.9 c", "0.0 d"], Bounded(0.2, "c")),
    ],
)
async def test_serving_goes_on_where_a_score_was_near_enough(loop, lines, rule):
    """At the ceiling itself, by any earlier round, where an answer passes, and without a surrender."""
    outcome = await loop(lines).answer(rule)
    assert (True, len(lines)) == (isinstance(outcome, Released), outcome.rounds)


async def test_serving_waits_for_the_last_candidate_of_the_round(loop):
    """The first of three lies above the ceiling, the last of them passes."""
    plan = LoopPlan(rounds=3, candidates_per_round=3)
    outcome = await loop(["0.9 a", "0.9 b", "0.8 c", "0.1 d"], plan=plan).answer(giving_up(2, 0.5))
    assert (True, 4) == (isinstance(outcome, Released), outcome.generations)


@pytest.mark.parametrize("seed", range(60))
async def test_serving_does_what_replaying_its_recording_does(loop, seed):
    """Random trajectories, candidates a round, thresholds and surrenders; some end with a round unjudged."""
    rng = np.random.default_rng(seed)
    plan = LoopPlan(rounds=int(rng.integers(1, 5)), candidates_per_round=int(rng.integers(1, 4)))
    lines = [f"{score} {n}" for n, score in enumerate(rng.choice(SCORES, 14))]
    if rng.random() < 0.3:
        lines[rng.integers(1, 8)] = "abstain"
    recorded = await recording(loop(lines, plan=plan))
    for _ in range(6):
        threshold, ceiling = (float(value) for value in rng.choice([0.0, 0.1, 0.2, 0.3, 0.6, 0.7, 0.9, 1.0], 2))
        surrender = Surrender(int(rng.integers(1, 5)), ceiling)
        outcome = await loop(lines, plan=plan).answer(Bounded(threshold, "c", surrender))
        position = released(recorded, threshold, surrender)
        said = recorded.candidates[position].answer if position is not None else UNAWARE
        assert said == outcome.choices[0].message["content"]
        if position is None and not (recorded.ended and outcome.reason == "abstained"):
            gone = surrendered(recorded, surrender) is not None
            assert ("surrendered" if gone else "exhausted") == outcome.reason


async def recording(talk):
    """Take the conversation to its end, as calibration does."""
    steps = await talk.steps()
    candidates = [step for step in steps if isinstance(step, Candidate)]
    return Trajectory(
        "p",
        tuple(Recorded(step.round, step.score, answer=step.text) for step in candidates),
        ended=None if len(candidates) == len(steps) else "abstained",
    )
