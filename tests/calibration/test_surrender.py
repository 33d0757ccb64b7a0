"""Giving up early: the rule, its replay, and the choice."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from calibration.answered import figures_at
from calibration.outcome import Infeasible
from calibration.record_low import plain_record_low
from calibration.release import Surrender, gives_up
from calibration.replay import generations, leaks_at, released, surrendered
from calibration.surrender import SurrenderChoice, choose_surrender, lost_above, score_before_release
from calibration.trajectories import Candidate, Recording, Trajectory

from .samples import BINDINGS, prompt

HOPELESS = prompt("h", (0.9, True), (0.95, True), (0.9, True))
SLOW = prompt("s", (0.8, True), (0.6, True), (0.1, False))


def test_giving_up_is_strict_and_happens_once() -> None:
    """At the end of the named round, above the ceiling."""
    early = Surrender(1, 0.8)
    assert [gives_up(lowest, 1, early) for lowest in (0.8, 0.81, math.nan)] == [False, True, False]
    assert not gives_up(0.9, 2, early)


@pytest.mark.parametrize(("after", "ceiling"), [(0, 0.5), (1, 1.1), (1, math.nan)])
def test_a_surrender_before_the_first_round_or_off_the_scale_is_refused(after: int, ceiling: float) -> None:
    """With what it must be."""
    with pytest.raises(ValueError, match="after round 1 or later, with a ceiling in"):
        Surrender(after, ceiling)


def test_giving_up_saves_the_rounds_that_would_have_come() -> None:
    """And loses the answer that would have come; an answer in time is not lost."""
    early, late = Surrender(1, 0.85), Surrender(2, 0.5)
    assert [generations(HOPELESS, 0.2, s) for s in (None, early, late)] == [3, 1, 2]
    assert [generations(SLOW, 0.2, s) for s in (None, early, late)] == [3, 3, 2]
    assert [released(SLOW, 0.2, s) for s in (None, early, late)] == [2, 2, None]
    assert [released(SLOW, 0.7, s) for s in (None, early, late)] == [1, 1, 1]
    assert generations(SLOW, 0.7, late) == 2


def test_every_candidate_of_the_round_is_judged_before_giving_up() -> None:
    """Two candidates per round: the better one counts."""
    pair = Trajectory("q", tuple(Candidate(t, s, leak=False) for t, s in [(1, 0.9), (1, 0.4), (2, 0.1)]))
    assert [surrendered(pair, Surrender(1, c)) for c in (0.5, 0.3)] == [None, 2]
    assert generations(pair, 0.05, Surrender(1, 0.3)) == 2


def test_a_trajectory_that_ended_before_the_round_has_nothing_to_give_up() -> None:
    """The failed generation is paid for."""
    ended = prompt("e", (0.9, True), ended="abstained")
    assert surrendered(ended, Surrender(2, 0.1)) is None
    assert generations(ended, 0.5, Surrender(2, 0.1)) == 2
    assert generations(ended, 0.5, Surrender(1, 0.1)) == 1


def test_every_small_case_leaks_only_where_it_leaked_without_and_above_its_record_low() -> None:
    """Theorem 9, first half, by enumeration: giving up adds no leak at any threshold."""
    steps = (0.0, 0.3, 0.6)
    for scores in itertools.product(steps, repeat=3):
        for labels in itertools.product((False, True), repeat=3):
            walked = prompt("q", *zip(scores, labels, strict=True))
            for after, ceiling, threshold in itertools.product((1, 2), steps, (0.1, 0.3, 0.5, 1.0)):
                leaks = leaks_at(walked, threshold, Surrender(after, ceiling))
                assert not leaks or (leaks_at(walked, threshold) and plain_record_low(walked) < threshold)


def test_what_counts_is_the_score_when_it_would_give_up() -> None:
    """0 if the answer is out by then, None if there is no answer."""
    assert [score_before_release(SLOW, 0.2, after) for after in (1, 2)] == [0.8, 0.6]
    assert score_before_release(SLOW, 0.7, 2) == 0.0
    assert score_before_release(SLOW, 0.7, 1) == 0.8
    assert score_before_release(HOPELESS, 0.2, 1) is None


def test_the_ceiling_is_the_rank_from_above() -> None:
    """59 answers at 5 % and 95 % may lose none of those seen: the highest; 58 are too few."""
    values = np.linspace(0.1, 0.68, 59)
    assert lost_above(values, 0.05, 0.95) == values[-1]
    assert lost_above(values[:58], 0.05, 0.95) == 1.0
    assert lost_above(np.linspace(0, 1, 181), 0.05, 0.95) == pytest.approx(1 - 4 / 180)


def some(slow: float, hopeless: int = 60, answered: int = 200) -> Recording:
    """Prompts answered at once, some answered in round 3 after ``slow``, and some never."""
    at_once = [prompt(f"a{i}", (0.1, False), (0.1, False), (0.1, False)) for i in range(answered)]
    late = [prompt(f"l{i}", (slow, True), (slow, True), (0.1, False)) for i in range(100)]
    never = [prompt(f"n{i}", (0.95, True), (0.9, True), (0.9, True)) for i in range(hopeless)]
    return Recording(BINDINGS, (*at_once, *late, *never))


def test_the_choice_gives_up_on_the_hopeless_and_keeps_the_slow() -> None:
    """At the end of the first round: it saves most."""
    found = choose_surrender(some(slow=0.7), 0.2, most_lost=0.05, confidence=0.95)
    assert found == SurrenderChoice(
        Surrender(1, 0.7),
        0.05,
        0.95,
        lost=0,
        answered=300,
        generations_without=pytest.approx((200 + 3 * 160) / 360),
        generations_with=pytest.approx((200 + 3 * 100 + 60) / 360),
    )


def test_nothing_is_given_up_where_it_would_cost_answers_or_too_few_are_seen() -> None:
    """Infeasible, with the reason; a recording of single rounds as well."""
    alike = choose_surrender(some(slow=0.96), 0.2, most_lost=0.05, confidence=0.95)
    assert isinstance(alike, Infeasible)
    assert "loses over 0.05 of answers" in alike.reason
    few = choose_surrender(some(slow=0.7, answered=0), 0.2, most_lost=0.01, confidence=0.95)
    assert few == Infeasible("100 answered units of a kind are too few: 368 would do", 100, 368)
    single = Recording(BINDINGS, (prompt("q", (0.5, True)),))
    assert isinstance(choose_surrender(single, 0.2, most_lost=0.05, confidence=0.95), Infeasible)


def test_a_unit_loses_its_answer_with_any_of_its_prompts() -> None:
    """The higher of two paraphrases' scores decides where the ceiling lies."""
    forget = some(slow=0.7)
    pairs = [
        replace(t, unit=t.id[1:] if t.id[0] == "l" else t.id, id=f"{t.id}-{half}", candidates=made)
        for t in forget.trajectories
        for half, made in (("a", t.candidates), ("b", (replace(t.candidates[0], score=0.8), *t.candidates[1:])))
        if t.id[0] == "l" or half == "a"
    ]
    found = choose_surrender(Recording(BINDINGS, tuple(pairs)), 0.2, most_lost=0.05, confidence=0.95)
    assert isinstance(found, SurrenderChoice)
    assert found.surrender == Surrender(1, 0.8)
    assert found.answered == 300


def test_figures_count_what_the_surrender_lets_out() -> None:
    """A leak that would have come late does not come."""
    late = Recording(BINDINGS, (prompt("q", (0.9, True), (0.1, True)), prompt("r", (0.1, True), (0.1, True))))
    assert [figures_at(late, 0.2, s).leak_rate.count for s in (None, Surrender(1, 0.5))] == [2, 1]
    assert [figures_at(late, 0.2, s).answer_rate.count for s in (None, Surrender(1, 0.5))] == [2, 1]


def test_benign_prompts_keep_their_answers_too() -> None:
    """Ceilings are taken for forget and benign prompts apart: the higher one counts."""
    forget = some(slow=0.7)
    benign = [prompt(f"b{i}", (0.92, None), (0.1, None), (0.1, None), benign=True) for i in range(200)]
    found = choose_surrender(
        Recording(BINDINGS, (*forget.trajectories, *benign)), 0.2, most_lost=0.05, confidence=0.95
    )
    assert isinstance(found, SurrenderChoice)
    assert found.surrender == Surrender(1, 0.92)
