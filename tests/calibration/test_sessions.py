"""Sessions: which tries count, and what one try's bound says about several."""

from __future__ import annotations

import pytest

from calibration.outcome import Certified, Infeasible
from calibration.sessions import (
    TriesPromise,
    control_session_risk,
    level_per_try,
    promise_for_tries,
    session_record_lows,
)

from .samples import prompt

TWO = [
    prompt("a1", (0.9, True), unit="a"),
    prompt("a2", (0.3, True), unit="a"),
    prompt("a3", (0.1, True), unit="a"),
    prompt("b1", (0.5, False), unit="b"),
    prompt("b2", (0.4, True), unit="b"),
]


def test_a_session_is_as_low_as_the_lowest_of_its_first_tries() -> None:
    """Later tries were not promised, and do not count."""
    assert session_record_lows(TWO, 1).tolist() == [0.9, float("inf")]
    assert session_record_lows(TWO, 2).tolist() == [0.3, 0.4]


def test_a_session_of_too_few_tries_is_named() -> None:
    """Rather than left out."""
    with pytest.raises(ValueError, match="session 'b' has 2 tries of 3; record more"):
        session_record_lows(TWO, 3)


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_session_has_a_try(wrong: int) -> None:
    """At least one."""
    for refused in (lambda: session_record_lows(TWO, wrong), lambda: promise_for_tries(0.1, wrong)):
        with pytest.raises(ValueError, match="at least 1 try"):
            refused()


def test_sessions_are_counted_not_tries() -> None:
    """Ten sessions of two tries are ten units: too few at 5 %, enough at 10 %."""
    some = [prompt(f"{s}-{t}", (0.6, s == 0), unit=str(s)) for s in range(10) for t in range(2)]
    assert control_session_risk(some, tries=2, level=0.05, confidence=None) == Infeasible(
        "with sessions of 2 tries as units, 10 units are too few: 19 would do if none of them leaked", 10, 19
    )
    assert control_session_risk(some, tries=2, level=0.1, confidence=None) == Certified(0.6, 1, 10, 0.1, None)
    assert isinstance(control_session_risk(some, tries=2, level=0.1, confidence=0.95), Infeasible)


def test_one_try_promises_less_for_many() -> None:
    """Twenty tries at 1 % may leak 20 % of the time, or 18 % if they are independent."""
    assert promise_for_tries(0.01, 20) == TriesPromise(0.01, 20, 0.2, pytest.approx(0.1820930624))
    assert promise_for_tries(0.1, 20).any_dependence == 1.0
    assert promise_for_tries(level_per_try(0.05, 20), 20).any_dependence == 0.05
