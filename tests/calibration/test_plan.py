"""The planner: units needed, levels promised, and the words."""

from __future__ import annotations

import pytest

from calibration.outcome import Infeasible
from calibration.plan import count_units, explain_plan, plan, promised_level, units_for_leak_rate
from calibration.ranks import confident_rank, expectation_rank, units_needed


@pytest.mark.parametrize(("leaks", "expected"), [(0, (19, 59)), (1, (39, 93)), (2, (59, 124)), (10, (219, 336))])
def test_leaks_that_must_be_allowed_for_cost_units(leaks: int, expected: tuple[int, int]) -> None:
    """At 5 %: the expectation form, and 95 % confidence as in tables of attribute sampling plans."""
    assert (units_needed(0.05, None, leaks), units_needed(0.05, 0.95, leaks)) == expected


@pytest.mark.parametrize("confidence", [None, 0.9, 0.99])
@pytest.mark.parametrize("leaks", [0, 1, 7])
@pytest.mark.parametrize("level", [0.5, 0.1, 0.013])
def test_the_needed_units_are_the_smallest_that_do(level: float, leaks: int, confidence: float | None) -> None:
    """One fewer allows for one leak less."""

    def rank(n: int) -> int:
        return expectation_rank(n, level) if confidence is None else confident_rank(n, level, confidence)

    n = units_needed(level, confidence, leaks)
    assert rank(n) > leaks
    assert rank(n - 1) <= leaks


@pytest.mark.parametrize("confidence", [None, 0.95])
@pytest.mark.parametrize("leaks", [0, 3])
def test_needed_and_promised_are_inverse(leaks: int, confidence: float | None) -> None:
    """What n units needed for a level promise is that level, to four decimals, and no better one."""
    for level in (0.3, 0.1, 0.05, 0.01):
        n = units_needed(level, confidence, leaks)
        assert promised_level(n, confidence, leaks) <= level < promised_level(n - 1, confidence, leaks)


def test_too_few_units_promise_nothing() -> None:
    """Also where all of them leak."""
    assert promised_level(0, 0.95) == 1.0
    assert promised_level(3, None, 3) == 1.0
    assert promised_level(1, None) == 0.5


def test_a_verifier_that_lets_leaks_through_needs_more_units() -> None:
    """The nearer the leak rate is to the level, the more; at the level no number does."""
    needs = [units_for_leak_rate(0.05, 0.95, rate, 0.8) for rate in (0.0, 0.01, 0.02, 0.03)]
    assert needs[0] == 59
    assert needs == sorted(needs)  # type: ignore[type-var]
    assert isinstance(units_for_leak_rate(0.05, 0.95, 0.05, 0.8), Infeasible)
    assert isinstance(units_for_leak_rate(0.0005, 0.95, 0.000499, 0.8), Infeasible)


def test_groups_share_the_chance_of_a_miss() -> None:
    """Two groups at 95 % are two at 97.5 %: 72 units at 5 %, not 59."""
    found = plan({"direct": 80, "role-play": 12}, level=0.05, confidence=0.95)
    assert [(g.name, g.needed, g.missing) for g in found.groups] == [("direct", 72, 0), ("role-play", 72, 60)]
    assert found.each_confidence == 0.975
    assert found.groups[0].promises < 0.05 < found.groups[1].promises


def test_an_oracle_that_misses_leaks_makes_the_level_stricter() -> None:
    """A tenth missed: 5 % is planned as 4.5 %, and what is promised is divided by .9."""
    found = plan({"all": 59}, level=0.05, confidence=0.95, oracle_miss=0.1)
    assert found.each_level == 0.045
    assert found.groups[0].needed == units_needed(0.045, 0.95) == 66
    assert found.groups[0].promises == promised_level(59, 0.95) / 0.9


def test_the_words_say_what_is_missing() -> None:
    """And what the units at hand promise."""
    words = explain_plan(plan({"a": 80, "b": 12}, level=0.05, confidence=0.95, leak_rate=0.01))
    assert words.splitlines() == [
        "To promise at most 5 % leaks with confidence 95 %, in each of 2 groups at once:",
        "  a: has 80 units, needs 72 if none of them leaks: enough.",
        "    What it has can promise 4.51 % at best; where 1 % of units leak below the wished threshold, "
        f"{units_for_leak_rate(0.05, 0.975, 0.01, 0.8)} units reach it with a chance of 80 %.",
        "  b: has 12 units, needs 72 if none of them leaks: 60 more to write.",
        "    What it has can promise 26.5 % at best; where 1 % of units leak below the wished threshold, "
        f"{units_for_leak_rate(0.05, 0.975, 0.01, 0.8)} units reach it with a chance of 80 %.",
    ]
    few = explain_plan(plan({"a": 0}, level=0.05, confidence=None, leaks=1, leak_rate=0.05))
    assert "needs 39 if 1 of them leak below the threshold: 39 more to write" in few
    assert "can promise nothing yet; a leak rate of 0.05 is not below level 0.05" in few


def test_units_are_counted_once_in_each_group() -> None:
    """Paraphrases share a unit."""
    assert count_units([("b", "u"), ("a", "u"), ("b", "u"), ("b", "v")]) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("have", "options", "problem"),
    [
        ({}, {}, "name at least one group"),
        ({"a": -1}, {}, "fewer than 0 units"),
        ({"a": 1}, {"level": 5.0}, "level must lie strictly between"),
        ({"a": 1}, {"leak_rate": 1.0}, "from 0 to below 1"),
        ({"a": 1}, {"oracle_miss": -0.1}, "from 0 to below 1"),
        ({"a": 1}, {"leaks": -1}, "leaks must not be negative"),
        ({"a": 1}, {"confidence": 95.0}, "confidence must lie strictly between"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(
    have: dict[str, int], options: dict[str, float], problem: str
) -> None:
    """With what is wrong."""
    with pytest.raises(ValueError, match=problem):
        plan(have, **({"level": 0.05, "confidence": 0.95} | options))  # type: ignore[arg-type]
