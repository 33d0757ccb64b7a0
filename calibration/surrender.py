"""Giving up early: after which round, and above which scores, refining further is not worth it. Knows no leaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.outcome import Infeasible, check_confidence, check_level
from calibration.ranks import confident_rank, exact, units_needed
from calibration.release import Surrender
from calibration.replay import by_unit, generations, released
from calibration.trajectories import Recording, Trajectory

__all__ = ["SurrenderChoice", "choose_surrender", "lost_above", "score_before_release"]


@dataclass(frozen=True, slots=True)
class SurrenderChoice:
    """When to give up, and what it does to the calibration prompts.

    ``lost`` of the ``answered`` units lose their answer. Generations are means per forget prompt, without and
    with the surrender.
    """

    surrender: Surrender
    most_lost: float
    confidence: float
    lost: int
    answered: int
    generations_without: float
    generations_with: float


def score_before_release(trajectory: Trajectory, threshold: float, after: int) -> float | None:
    """Return the lowest score of the first ``after`` rounds if the answer is released later than they are.

    The answer is lost exactly where this lies above the ceiling: 0 where it is released in time, hence never
    lost; None where nothing is released, so that there is nothing to lose.
    """
    position = released(trajectory, threshold)
    if position is None:
        return None
    rounds = sorted({candidate.round for candidate in trajectory.candidates})
    if trajectory.candidates[position].round in rounds[:after]:
        return 0.0
    last = rounds[after - 1]
    return min(candidate.score for candidate in trajectory.candidates if candidate.round <= last)


def lost_above(before: NDArray[np.float64], most_lost: float, confidence: float) -> float:
    """Return the lowest ceiling above which at most a share ``most_lost`` of answers is given up; 1 for none.

    Guarantee:   P(share of answers lost <= most_lost) >= confidence.
    Assumes:     independent, identically distributed answered units; a threshold that was fixed before them.
    Source:      docs/guarantees.md, theorem 9 (theorem 2 mirrored: an answer is lost strictly above).
    Verified by: tests/guarantees/test_surrender.py
    Args:        before, shape (answered units,): ``score_before_release`` of each.
    """
    k = confident_rank(len(before), most_lost, confidence)
    if k == 0:
        return 1.0
    return float(-np.partition(-before, k - 1)[k - 1])


def choose_surrender(
    recording: Recording, threshold: float, *, most_lost: float, confidence: float
) -> SurrenderChoice | Infeasible:
    """Choose the surrender that saves most generations and loses few answers, of forget and benign prompts each.

    Guarantee:   P(the share of answers lost is at most ``most_lost``, among the forget units that would be
                 answered and among the benign ones) >= confidence. Any leak bound at ``threshold`` or at every
                 threshold below it stays as it was, whatever surrender is served: giving up only turns answers
                 into fallbacks. A bound on P(leak | answered) does not stay.
    Assumes:     independent, identically distributed units and a threshold fixed before them; where the
                 threshold was chosen on the same recording, the share lost is measured, not proved.
    Source:      docs/guarantees.md, theorem 9 (delta shared by the rounds and the two kinds of prompts).
    Verified by: tests/guarantees/test_surrender.py
    """
    check_level(most_lost)
    check_confidence(confidence)
    kinds = [kind for kind in (recording.forget, recording.benign) if kind]
    last = max((len({c.round for c in t.candidates}) for t in recording.trajectories), default=0)
    if last < 2:
        return Infeasible("no prompt has a second round, so there is nothing to give up", 0, None)
    each = float(1 - (1 - exact(confidence)) / ((last - 1) * len(kinds)))
    choices = [_at(recording, kinds, threshold, after, most_lost, confidence, each) for after in range(1, last)]
    best = min(choices, key=lambda choice: choice.generations_with)
    if best.generations_with < best.generations_without:
        return best
    fewest = min(len(_before(kind, threshold, 1)) for kind in kinds)
    needed = units_needed(most_lost, each)
    if fewest < needed:
        return Infeasible(f"{fewest} answered units of a kind are too few: {needed} would do", fewest, needed)
    return Infeasible(f"giving up anywhere saves nothing or loses over {most_lost:g} of answers", fewest, None)


def _at(
    recording: Recording,
    kinds: Sequence[Sequence[Trajectory]],
    threshold: float,
    after: int,
    most_lost: float,
    confidence: float,
    each: float,
) -> SurrenderChoice:
    before = [_before(kind, threshold, after) for kind in kinds]
    surrender = Surrender(after, max(lost_above(values, most_lost, each) for values in before))
    everything = np.concatenate(before)
    forget = recording.forget or recording.trajectories
    return SurrenderChoice(
        surrender=surrender,
        most_lost=most_lost,
        confidence=confidence,
        lost=int((everything > surrender.ceiling).sum()),
        answered=len(everything),
        generations_without=_mean([generations(t, threshold) for t in forget]),
        generations_with=_mean([generations(t, threshold, surrender) for t in forget]),
    )


def _before(trajectories: Sequence[Trajectory], threshold: float, after: int) -> NDArray[np.float64]:
    """Return one value per unit with an answer: the highest over its prompts, since it loses with any."""
    found = []
    for _, members in by_unit(trajectories):
        values = [score_before_release(member, threshold, after) for member in members]
        answered = [value for value in values if value is not None]
        found += [max(answered)] if answered else []
    return np.asarray(found, dtype=np.float64)


def _mean(counts: Sequence[int]) -> float:
    return math.fsum(counts) / max(len(counts), 1)
