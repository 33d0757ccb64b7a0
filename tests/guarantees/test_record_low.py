"""The record-low promises, simulated against their stated levels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from calibration.outcome import Certified
from calibration.record_low import control_leak_risk, control_leak_risk_confident, lowest_leak
from calibration.replay import leaks_at, released

from .conftest import Note
from .harness import check_kept, check_not_timid, next_leaks, thresholds
from .laws import ALL_LAWS, Law, law

pytestmark = pytest.mark.guarantee

REPS = 10_000
SIZES = [(19, 0.05), (60, 0.1), (199, 0.05)]


def expectation(law: Law, n: int, level: float, reps: int = REPS) -> np.ndarray:
    """Calibrate many times by the rule that is served without a confidence."""
    return thresholds(law.record_lows, n, reps, 1, lambda lows: control_leak_risk(lows, level=level))


def confident(law: Law, n: int, level: float, reps: int) -> np.ndarray:
    """Calibrate many times by the rule that is served with a confidence of 95 %."""
    return thresholds(
        law.record_lows,
        n,
        reps,
        2,
        lambda lows: control_leak_risk_confident(lows, level=level, confidence=0.95),
    )


@pytest.mark.parametrize(("n", "level"), SIZES)
@pytest.mark.parametrize("name", ALL_LAWS)
def test_the_next_answer_leaks_no_more_often_than_the_level(name: str, n: int, level: float, note: Note) -> None:
    """Theorem 1, on good, poor, non-monotone and tied verifiers, from the smallest n on."""
    served = expectation(law(name), n, level)
    misses = next_leaks(law(name), served, 1)
    note(f"record-low expectation, {name}, n={n}", misses, REPS, level)
    check_kept(misses, REPS, level)


@pytest.mark.parametrize("name", ["all-leak", "single"])
@pytest.mark.parametrize(("n", "level"), SIZES)
def test_the_expectation_form_is_not_timid(name: str, n: int, level: float) -> None:
    """Where every answer below the threshold leaks, the leak rate comes close to the level."""
    check_not_timid(next_leaks(law(name), expectation(law(name), n, level), 1), REPS, level)


@pytest.mark.parametrize(("n", "level"), [(59, 0.05), (181, 0.05), (29, 0.1), (300, 0.1)])
@pytest.mark.parametrize("name", ALL_LAWS)
def test_the_risk_exceeds_the_level_no_more_often_than_one_minus_confidence(
    name: str, n: int, level: float, note: Note
) -> None:
    """Theorem 2: over calibration draws, the true risk at the threshold is above the level in at most 5 %."""
    reps, design = 4_000, law(name, 5_000)
    misses = int((design.risks(confident(design, n, level, reps)) > level).sum())
    note(f"record-low confident, {name}, n={n}, level={level}", misses, reps, 0.05)
    check_kept(misses, reps, 0.05)


@pytest.mark.parametrize(("n", "level"), [(59, 0.05), (181, 0.05)])
def test_the_confident_form_is_not_timid(n: int, level: float) -> None:
    """At sizes where the binomial tail comes close to 5 %, so do the misses."""
    reps = 4_000
    misses = int((law("all-leak").risks(confident(law("all-leak"), n, level, reps)) > level).sum())
    check_not_timid(misses, reps, 0.05)


@pytest.mark.parametrize("name", ["non-monotone", "poor", "staircase"])
def test_the_promise_survives_whatever_stricter_threshold_an_operator_picks(name: str, note: Note) -> None:
    """An operator who knows the law tightens to the worst threshold below the certified one."""
    n, level = 99, 0.1
    served = expectation(law(name), n, level)
    grid = np.linspace(0.005, 1.0, 200)
    risks = law(name).risks(grid)
    worst = np.array([_worst_below(grid, risks, threshold) for threshold in served])
    misses = next_leaks(law(name), worst, 3)
    note(f"any stricter threshold, {name}, n={n}", misses, REPS, level)
    check_kept(misses, REPS, level)


def _worst_below(grid: np.ndarray, risks: np.ndarray, threshold: float) -> float:
    allowed = int(np.searchsorted(grid, threshold, side="right"))
    return float(grid[risks[:allowed].argmax()]) if allowed else threshold


def test_a_stricter_threshold_can_leak_more() -> None:
    """The test above has teeth: on the non-monotone law the risk rises as the threshold falls."""
    design = law("non-monotone")
    assert design.risk(0.35) > 0.25 > 0.01 > design.risk(0.7)


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("name", ["good", "poor", "ties", "all-leak"])
def test_the_promise_survives_a_smaller_budget(name: str, rounds: int, note: Note) -> None:
    """Calibrated on the whole budget, served with fewer rounds."""
    n, level = 60, 0.1
    served = expectation(law(name), n, level)
    misses = next_leaks(law(name).within(rounds), served, 4)
    note(f"smaller budget {rounds}, {name}, n={n}", misses, REPS, level)
    check_kept(misses, REPS, level)


def test_the_lowest_leak_covers_best_of_all_rounds(note: Note) -> None:
    """With W in place of R the promise holds for a rule that releases the lowest-scored candidate."""
    n, level, poor = 60, 0.1, law("poor")
    lows = np.array([lowest_leak(s, y) for s, y in zip(poor.scores.tolist(), poor.leaks.tolist(), strict=True)])
    served = thresholds(lows, n, REPS, 5, lambda drawn: control_leak_risk(drawn, level=level))
    best = poor.scores.argmin(axis=1)
    everyone = np.arange(len(best))
    lowest, leaking = poor.scores[everyone, best], poor.leaks[everyone, best]
    who = np.random.default_rng(6).integers(0, len(best), REPS)
    misses = int((leaking[who] & (lowest[who] < served)).sum())
    note(f"lowest leak, best of all rounds, n={n}", misses, REPS, level)
    check_kept(misses, REPS, level)


@pytest.mark.parametrize("name", ["ties", "all-leak"])
def test_a_unit_of_several_prompts_is_covered_as_a_whole(name: str, note: Note) -> None:
    """Three paraphrases of one question: the next unit leaks on any of them no more often than the level."""
    n, level, lows = 60, 0.1, _in_units(law(name))
    served = thresholds(lows.min(axis=1), n, REPS, 7, lambda drawn: control_leak_risk(drawn, level=level))
    misses = _units_leaking(lows, served)
    note(f"units of three prompts, {name}, n={n}", misses, REPS, level)
    check_kept(misses, REPS, level)


def test_counting_paraphrases_as_units_is_caught() -> None:
    """Each prompt by itself would be bounded, but not the unit: the harness sees the difference."""
    n, level, lows = 60, 0.1, _in_units(law("all-leak"))
    served = thresholds(lows.ravel(), 3 * n, REPS, 7, lambda drawn: control_leak_risk(drawn, level=level))
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(_units_leaking(lows, served), REPS, level)


def _in_units(design: Law) -> np.ndarray:
    return design.record_lows[: 3 * (len(design.record_lows) // 3)].reshape(-1, 3)


def _units_leaking(lows: np.ndarray, served: np.ndarray) -> int:
    who = np.random.default_rng(8).integers(0, len(lows), len(served))
    return int((lows[who] < served[:, None]).any(axis=1).sum())


def test_one_rank_too_many_is_caught() -> None:
    """The harness fails for the (k + 1)-th smallest in place of the k-th."""
    n, level = 60, 0.1
    served = _kth_smallest(law("all-leak"), n, 7)
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(next_leaks(law("all-leak"), served, 1), REPS, level)


def test_half_the_rank_is_caught_as_timid() -> None:
    """The harness fails for a valid threshold that gives half of the level away."""
    n, level = 60, 0.1
    served = _kth_smallest(law("all-leak"), n, 3)
    with pytest.raises(AssertionError, match="timid"):
        check_not_timid(next_leaks(law("all-leak"), served, 1), REPS, level)


def _kth_smallest(design: Law, n: int, k: int) -> np.ndarray:
    return thresholds(
        design.record_lows, n, REPS, 1, lambda lows: Certified(float(np.sort(lows)[k - 1]), k, n, 0.1, None)
    )


def test_a_threshold_that_lets_its_own_score_through_is_caught() -> None:
    """The harness fails, on heavy ties, for a release that is not strict."""
    n, level = 60, 0.1
    served = np.nextafter(expectation(law("ties"), n, level), 2.0)
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(next_leaks(law("ties"), served, 1), REPS, level)


def test_conformal_risk_control_on_a_loss_that_is_not_monotone_is_caught() -> None:
    """The harness fails for the loosest threshold whose empirical risk would do: luck picks it."""
    n, level, reps, design = 99, 0.1, 2_000, law("staircase")
    grid = np.arange(1, 51) / 50
    everyone = np.arange(len(design.scores))
    losses = np.column_stack([design.leaks_at(everyone, np.full(len(everyone), t)) for t in grid])
    rng = np.random.default_rng(9)
    served = []
    for _ in range(reps):
        totals = losses[rng.integers(0, len(losses), n)].sum(axis=0)
        served.append(grid[np.flatnonzero((totals + 1) / (n + 1) <= level)[-1]])
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(next_leaks(design, np.array(served), 9), reps, level)


def test_the_misses_of_the_confident_form_are_the_binomial_tail() -> None:
    """Where every answer leaks, the chance of a miss is known: P(Bin(n, level) <= k - 1)."""
    n, level, reps = 181, 0.05, 4_000
    outcome = control_leak_risk_confident(np.ones(n), level=level, confidence=0.95)
    assert isinstance(outcome, Certified)
    chance = binom.cdf(outcome.k - 1, n, level)
    misses = int((law("all-leak").risks(confident(law("all-leak"), n, level, reps)) > level).sum())
    assert abs(misses - reps * chance) < 4 * np.sqrt(reps * chance * (1 - chance))


@pytest.mark.parametrize("name", ALL_LAWS)
def test_the_simulation_replays_as_the_release_rule_does(name: str) -> None:
    """Two implementations of replay agree: numpy's here, and the one that serving shares."""
    some = law(name).trajectories(200)
    for threshold in (0.0, 0.02, 0.25, 0.5, 0.77, 1.0):
        who = np.arange(len(some))
        expected = law(name).leaks_at(who, np.full(len(who), threshold)).tolist()
        assert expected == [leaks_at(trajectory, threshold) for trajectory in some]
        answered = law(name).released_at(threshold)[: len(some)].tolist()
        assert answered == [released(trajectory, threshold) is not None for trajectory in some]
