"""What serving would have done on a recorded trajectory."""

from __future__ import annotations

import pytest

from calibration.fixed_sequence import leak_losses, leaks_or_crosses
from calibration.replay import generations, generations_always, leaks_at, reached_foreign, released
from calibration.trajectories import Candidate, Trajectory

from .samples import prompt

TWO_PER_ROUND = Trajectory(
    "q", tuple(Candidate(t, s, leak=False) for t, s in [(0, 0.9), (0, 0.4), (1, 0.3), (1, 0.1), (2, 0.0)])
)


def test_every_candidate_of_a_round_that_began_is_paid_for() -> None:
    """Two candidates per round: released from the first round costs two, from the second four."""
    assert [generations(TWO_PER_ROUND, t) for t in (0.5, 0.2, 0.05, 0.0)] == [2, 4, 5, 5]
    assert generations_always(TWO_PER_ROUND) == 5


def test_a_round_that_ended_without_a_score_costs_one_where_it_was_reached() -> None:
    """An abstention or an upstream failure falls back, after a generation."""
    ended = prompt("q", (0.5, False), ended="abstained")
    assert [generations(ended, t) for t in (0.6, 0.5)] == [1, 2]
    assert released(ended, 0.5) is None


def test_only_the_released_label_matters() -> None:
    """A leak that is held back is no leak; the fallback never leaks."""
    held = prompt("q", (0.9, True), (0.2, False))
    assert [leaks_at(held, t) for t in (0.1, 0.5, 0.95)] == [False, False, True]


def test_a_missing_label_where_it_is_needed_is_an_error() -> None:
    """And nowhere else."""
    unlabelled = prompt("q", (0.9, None), (0.2, False))
    assert not leaks_at(unlabelled, 0.5)
    with pytest.raises(ValueError, match="prompt 'q': candidate 1 has no label"):
        leaks_at(unlabelled, 0.95)


def test_foreign_evidence_counts_only_where_serving_would_have_met_it() -> None:
    """A threshold that releases before never sees it."""
    later = Trajectory(
        "q", (Candidate(0, 0.5, ("a",), leak=False), Candidate(1, 0.2, ("b",), leak=False)), topic="a"
    )
    assert [reached_foreign(later, released(later, t)) for t in (0.1, 0.3, 0.6)] == [True, True, False]
    assert [leaks_or_crosses(later, released(later, t)) for t in (0.1, 0.6)] == [True, False]


def test_losses_are_not_monotone_and_a_unit_loses_with_any_of_its_prompts() -> None:
    """Shape (units, thresholds), units in the order of their names."""
    prompts = [
        prompt("b", (0.5, False), (0.2, True)),
        prompt("a1", (0.9, False), unit="a"),
        prompt("a2", (0.4, True), unit="a"),
    ]
    losses = leak_losses(prompts, (0.1, 0.3, 0.45, 0.6))
    assert losses.tolist() == [[False, False, True, True], [False, True, True, False]]


def test_no_prompts_give_no_losses() -> None:
    """The shape stays."""
    assert leak_losses([], (0.5, 1.0)).shape == (0, 2)
