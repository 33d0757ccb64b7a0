"""The promises under a judge that misses leaks, simulated against their stated levels."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.oracle_error import Audit, control_with_judge, sensitivity_low
from calibration.outcome import Certified
from calibration.record_low import control_leak_risk_confident, record_low

from .conftest import Note
from .harness import check_kept, check_not_timid
from .laws import Law, law

pytestmark = pytest.mark.guarantee

REPS = 2_000
LEVEL = 0.1


def judged_lows(design: Law, sensitivity: float, alarms: float, seed: int) -> np.ndarray:
    """Record lows by a judge that misses leaks and cries wolf at random."""
    rng = np.random.default_rng(seed)
    sees = np.where(
        design.leaks, rng.random(design.leaks.shape) < sensitivity, rng.random(design.leaks.shape) < alarms
    )
    return np.array([record_low(s, y) for s, y in zip(design.scores.tolist(), sees.tolist(), strict=True)])


@pytest.mark.parametrize(("audited", "sensitivity"), [(30, 0.9), (200, 0.7)])
def test_the_sensitivity_lies_below_its_bound_no_more_often_than_allowed(
    audited: int, sensitivity: float, note: Note
) -> None:
    """One-sided Clopper-Pearson."""
    found = np.random.default_rng(91).binomial(audited, sensitivity, 20_000)
    lows = {count: sensitivity_low(Audit(count, audited), 0.95) for count in set(found.tolist())}
    misses = sum(lows[count] > sensitivity for count in found.tolist())
    note(f"sensitivity bound, {audited} audited leaks", misses, len(found), 0.05)
    check_kept(misses, len(found), 0.05)


def test_the_sensitivity_bound_is_not_timid() -> None:
    """Where all of 58 are found just too often, the misses come close to 5 %."""
    found = np.random.default_rng(92).binomial(58, 0.9495, 20_000)
    misses = int((found == 58).sum())
    assert sensitivity_low(Audit(58, 58), 0.95) > 0.9495
    check_not_timid(misses, len(found), 0.05)


def calibrated(
    design: Law, sensitivity: float, alarms: float, n: int, audited: int, confidence: float = 0.9
) -> tuple[int, int]:
    """Calibrate and audit many times; count where the true risk is above the level, and what was feasible."""
    lows = judged_lows(design, sensitivity, alarms, 93)
    rng = np.random.default_rng(94)
    served = []
    for _ in range(REPS):
        audit = Audit(int(rng.binomial(audited, sensitivity)), audited)
        drawn = lows[rng.integers(0, len(lows), n)]
        outcome = control_with_judge(drawn, audit, level=LEVEL, confidence=confidence).outcome
        served.append(outcome.threshold if isinstance(outcome, Certified) else 0.0)
    return int((design.risks(np.array(served)) > LEVEL).sum()), int(np.count_nonzero(served))


@pytest.mark.parametrize("name", ["good", "poor", "single", "ties", "all-leak"])
@pytest.mark.parametrize(("sensitivity", "audited", "n"), [(0.9, 60, 300), (0.6, 200, 200)])
def test_true_leaks_exceed_the_level_no_more_often_than_one_minus_confidence(
    name: str, sensitivity: float, audited: int, n: int, note: Note
) -> None:
    """Theorem 11: on a judge that misses a tenth, or four in ten, and cries wolf now and then."""
    misses, feasible = calibrated(law(name, 3_000), sensitivity, 0.05, n, audited)
    note(f"judge of sensitivity {sensitivity}, {name}, n={n}, {audited} audited", misses, REPS, 0.1)
    check_kept(misses, REPS, 0.1)
    assert feasible > 0.7 * REPS


def test_the_half_of_delta_that_calibration_has_is_used(note: Note) -> None:
    """Not timid: with a million audited leaks, the misses come close to half of what is allowed."""
    lows = judged_lows(law("single"), 0.9, 0.0, 93)
    audit = Audit(900_000, 1_000_000)
    rng = np.random.default_rng(98)
    served = []
    for _ in range(REPS):
        drawn = lows[rng.integers(0, len(lows), 266)]
        outcome = control_with_judge(drawn, audit, level=LEVEL, confidence=0.9).outcome
        assert isinstance(outcome, Certified)
        served.append((lows < outcome.threshold).mean() / 0.9)  # the judge misses a tenth, wherever it is
    misses = int((np.array(served) > LEVEL).sum())
    note("judge of known sensitivity, n=266", misses, REPS, 0.1)
    check_kept(misses, REPS, 0.1)
    check_not_timid(misses, REPS, 0.05)


def test_trusting_the_judge_is_caught() -> None:
    """The harness fails where the judge's labels are taken at their word."""
    design = law("all-leak", 3_000)
    # Every answer leaks, so a judge that misses four in ten lets 1 in .6 of the level through.
    lows = judged_lows(design, 0.6, 0.0, 93)
    rng = np.random.default_rng(95)
    outcomes = [
        control_leak_risk_confident(lows[rng.integers(0, len(lows), 200)], level=LEVEL, confidence=0.9)
        for _ in range(REPS)
    ]
    served = np.array([o.threshold if isinstance(o, Certified) else 0.0 for o in outcomes])
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(int((design.risks(served) > LEVEL).sum()), REPS, 0.1)


def test_the_audit_s_average_in_place_of_its_bound_is_caught() -> None:
    """The harness fails where 20 audited leaks are taken for the sensitivity itself."""
    sensitivity, lows = 0.7, judged_lows(law("single", 3_000), 0.7, 0.0, 93)
    rng = np.random.default_rng(96)
    served = []
    for _ in range(REPS):
        average = rng.binomial(20, sensitivity) / 20
        drawn = lows[rng.integers(0, len(lows), 2_000)]
        outcome = control_leak_risk_confident(drawn, level=LEVEL * average, confidence=0.9)
        served.append(outcome.threshold if isinstance(outcome, Certified) else 0.0)
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(int((law("single", 3_000).risks(np.array(served)) > LEVEL).sum()), REPS, 0.1)


def test_a_judge_blind_to_what_the_verifier_is_blind_to_breaks_the_assumption() -> None:
    """Why the audit must be of answers released at about the served threshold: elsewhere it flatters."""
    rng = np.random.default_rng(97)
    scores = rng.random((20_000, 1))
    design = Law(scores, np.ones_like(scores, dtype=bool))
    sees = rng.random(scores.shape) < np.where(scores < 0.2, 0.3, 1.0)
    lows = np.where(sees, scores, np.inf)[:, 0]
    everywhere, low_ones = float(sees.mean()), float(sees[scores < 0.2].mean())
    drawn = lows[rng.integers(0, len(lows), 2_000)]
    risks = []
    for share in (everywhere, low_ones):
        audit = Audit(round(1_000 * share), 1_000)
        outcome = control_with_judge(drawn, audit, level=LEVEL, confidence=0.9).outcome
        assert isinstance(outcome, Certified)
        risks.append(design.risk(outcome.threshold))
    assert risks[0] > 2 * LEVEL
    assert risks[1] < LEVEL
