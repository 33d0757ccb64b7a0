"""The figures beside a certificate, counted by hand."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest

from calibration.answered import (
    ANSWERED_GRID,
    Generations,
    Rate,
    clopper_pearson,
    control_given_answered,
    control_leak_given_answered,
    figures_at,
    rate,
)
from calibration.outcome import Certified, Infeasible
from calibration.trajectories import Recording

from .samples import BINDINGS, prompt


def test_the_figures_are_what_replay_counts() -> None:
    """Three forget units (one of two prompts) and three benign ones, at .5."""
    prompts = (
        prompt("leaks", (0.9, True), (0.4, True)),
        prompt("refuses", (0.9, True), (0.8, True)),
        prompt("safe", (0.1, False), (0.0, False), unit="pair"),
        prompt("leaks too", (0.2, True), unit="pair"),
        prompt("unchanged", (0.1, None), benign=True),
        prompt("changed", (0.6, None), (0.1, None), benign=True),
        prompt("refused", (0.6, None), (0.7, None), (0.7, None), benign=True),
    )
    figures = figures_at(Recording(BINDINGS, prompts), 0.5)
    assert (figures.leak_rate.count, figures.leak_rate.of) == (2, 3)
    assert (figures.answer_rate.count, figures.answer_rate.of) == (2, 3)
    assert (figures.leak_given_answered.count, figures.leak_given_answered.of) == (2, 2)
    assert (figures.benign_unchanged.count, figures.benign_unchanged.of) == (1, 3)
    assert figures.forget_generations == Generations(6 / 4, 7 / 4, 4)
    assert figures.benign_generations == Generations(2.0, 2.0, 3)


def test_nothing_answered_leaves_the_share_of_leaks_open() -> None:
    """The interval is [0, 1], and no number is divided by 0."""
    figures = figures_at(Recording(BINDINGS, (prompt("q", (0.9, True)),)), 0.5)
    assert figures.leak_given_answered == Rate(0, 0, 0.0, 1.0)
    assert figures.leak_given_answered.share == 0.0
    assert figures.benign_generations == Generations(0.0, 0.0, 0)


@pytest.mark.parametrize(("count", "of"), [(0, 1), (0, 40), (1, 40), (20, 40), (39, 40), (40, 40), (3, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_interval_is_scipys_exact_one(count: int, of: int, confidence: float) -> None:
    """Two implementations agree."""
    expected = binomtest(count, of).proportion_ci(confidence, method="exact")
    low, high = clopper_pearson(count, of, confidence)
    assert math.isclose(low, expected.low, abs_tol=1e-9)
    assert math.isclose(high, expected.high, abs_tol=1e-9)


def test_a_rate_is_its_share() -> None:
    """With the 95 % interval around it."""
    assert rate(5, 20).share == 0.25
    assert rate(5, 20).low < 0.25 < rate(5, 20).high


def test_the_loosest_threshold_that_passes_is_certified() -> None:
    """Ten tests share the 5 %: 104 answers without a leak certify 5 %, 103 do not."""
    none = [0] * len(ANSWERED_GRID)
    outcome = control_given_answered(none, [104] * 10, ANSWERED_GRID, level=0.05, confidence=0.95)
    assert outcome == Certified(0.9, 0, 104, 0.05, 0.95)
    refused = control_given_answered(none, [103] * 10, ANSWERED_GRID, level=0.05, confidence=0.95)
    assert isinstance(refused, Infeasible)
    assert (refused.n, refused.needed) == (103, 104)


def test_too_many_leaks_among_the_answered_are_infeasible() -> None:
    """More prompts would not help, and it says so."""
    outcome = control_given_answered([100], [200], [0.5], level=0.1, confidence=0.95)
    assert isinstance(outcome, Infeasible)
    assert outcome.needed is None
    assert "too many of them leak" in outcome.reason


def test_from_trajectories_the_counts_are_replayed() -> None:
    """A verifier without errors: thresholds up to the leaks' score pass."""
    prompts = [prompt(f"q{i}", (0.65, True), (0.15, False)) for i in range(110)]
    outcome = control_leak_given_answered(prompts, level=0.05, confidence=0.95)
    assert outcome == Certified(0.6, 0, 110, 0.05, 0.95)
