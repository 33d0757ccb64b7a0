"""The planner's promises: that so many units reach a threshold, and that a promised level is kept."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.outcome import Certified
from calibration.plan import promised_level, units_for_leak_rate
from calibration.record_low import control_leak_risk_confident

from .conftest import Note
from .harness import check_kept, check_not_timid

pytestmark = pytest.mark.guarantee

REPS = 4_000
WISHED, LEAKS_AT = 0.5, 0.4


def failures(n: int, leak_rate: float) -> int:
    """Count the calibrations on ``n`` units whose threshold stays below the wished one."""
    rng = np.random.default_rng(51)
    lows = np.where(rng.random((REPS, n)) < leak_rate, LEAKS_AT, 0.9)
    outcomes = [control_leak_risk_confident(drawn, level=0.05, confidence=0.95) for drawn in lows]
    return sum(not (isinstance(o, Certified) and o.threshold >= WISHED) for o in outcomes)


@pytest.mark.parametrize("leak_rate", [0.005, 0.01, 0.025])
def test_as_many_units_as_planned_reach_the_threshold(leak_rate: float, note: Note) -> None:
    """With a chance of 80 % at least, by the real calibrator; also with a few units more."""
    n = units_for_leak_rate(0.05, 0.95, leak_rate, 0.8)
    assert isinstance(n, int)
    for units in (n, n + 10):
        misses = failures(units, leak_rate)
        note(f"plan, leak rate {leak_rate}, n={units}", misses, REPS, 0.2)
        check_kept(misses, REPS, 0.2)


@pytest.mark.parametrize("leak_rate", [0.01, 0.025])
def test_three_quarters_of_the_planned_units_are_too_few(leak_rate: float) -> None:
    """The plan is not timid: the harness fails for a quarter less."""
    n = units_for_leak_rate(0.05, 0.95, leak_rate, 0.8)
    assert isinstance(n, int)
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(failures(3 * n // 4, leak_rate), REPS, 0.2)


@pytest.mark.parametrize(("n", "risk"), [(100, 0.0293), (200, 0.05), (59, 0.12)])
def test_the_risk_exceeds_the_promised_level_no_more_often_than_one_minus_confidence(
    n: int, risk: float, note: Note
) -> None:
    """At a threshold fixed beforehand, whatever number of leaks is drawn."""
    leaks = np.random.default_rng(52).binomial(n, risk, 20_000)
    levels = {count: promised_level(n, 0.95, count) for count in set(leaks.tolist())}
    misses = sum(risk > levels[count] for count in leaks.tolist())
    note(f"promised level, risk {risk}, n={n}", misses, len(leaks), 0.05)
    check_kept(misses, len(leaks), 0.05)


def test_the_promised_level_is_not_timid() -> None:
    """At a risk just above what no leaks among 100 promise, the misses come close to 5 %."""
    leaks = np.random.default_rng(53).binomial(100, 0.0299, 20_000)
    level = promised_level(100, 0.95)
    assert level < 0.0299
    check_not_timid(int((leaks == 0).sum()), len(leaks), 0.05)
