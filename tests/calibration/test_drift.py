"""The drift monitors: their arithmetic, their state on disk, and their cost."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from calibration.drift import Audits, Scores, after_audit, after_score, audits_in, scores_in, state_out
from calibration.wealth import Wealth, after_bet, reserve


def test_money_comes_in_and_none_is_made_without_a_bet() -> None:
    """Factors of 1 leave the wealth at 1, whatever jumps between the pots."""
    wealth = Wealth((0.0, 0.0))
    for _ in range(1_000):
        wealth = after_bet(wealth, (1.0, 1.0), jump=0.1)
    assert wealth.log == pytest.approx(0.0, abs=1e-12)
    assert sum(wealth.pots) == pytest.approx(1 - reserve(1_000))


def test_each_pot_grows_by_its_own_factor_after_the_money_came() -> None:
    """Half of the fresh money each; then nothing of the old jumps."""
    fresh = 1 - reserve(1)
    wealth = after_bet(Wealth((0.0, 0.0)), (2.0, 0.5))
    assert wealth.pots == pytest.approx((fresh, fresh / 4))
    assert wealth.log == pytest.approx(math.log(1 + fresh / 4))
    assert wealth.log_peak == wealth.log
    lower = after_bet(wealth, (0.0, 0.0))
    assert lower.log == pytest.approx(math.log(reserve(2)))
    assert lower.log_peak == wealth.log_peak


def test_a_long_drift_does_not_overflow() -> None:
    """Ten thousand doublings are kept as a logarithm."""
    wealth = Wealth((0.0,))
    for _ in range(10_000):
        wealth = after_bet(wealth, (2.0,))
    assert wealth.log == pytest.approx(10_000 * math.log(2), abs=2)
    assert wealth.crossed(1e-300)


def test_the_alarm_is_at_one_over_delta_and_stays() -> None:
    """At 1 / delta itself it rings."""
    assert Wealth((0.0,), log_peak=-math.log(0.01)).crossed(0.01)
    assert not Wealth((0.0,), log_peak=-math.log(0.01) - 1e-9).crossed(0.01)
    rung = replace(Audits(0.05), wealth=Wealth((0.0,) * 4, log_peak=5.0))
    for _ in range(50):
        rung = after_audit(rung, leaked=False)
    assert rung.alarm


def test_one_score_says_nothing_and_a_run_of_higher_ones_rings() -> None:
    """Also a run of lower ones: the monitor sees both."""
    assert not after_score(Scores(seed=1), 0.9).alarm
    for before, after in ((0.1, 0.9), (0.9, 0.1)):
        monitor = Scores(seed=1)
        for _ in range(200):
            monitor = after_score(monitor, before)
        assert not monitor.alarm
        rang = 0
        while not monitor.alarm:
            monitor, rang = after_score(monitor, after), rang + 1
        assert 5 < rang < 60


def test_zero_has_a_place_of_its_own() -> None:
    """And 1 the last."""
    monitor = Scores(seed=1)
    for score in (0.0, 1e-9, 1 / 64, 1.0):
        monitor = after_score(monitor, score)
    assert (monitor.counts[0], monitor.counts[1], monitor.counts[64]) == (1, 2, 1)


def test_the_same_seed_and_scores_lead_to_the_same_state() -> None:
    """Another seed to another."""

    def run(seed: int) -> Scores:
        monitor = Scores(seed=seed)
        for step in range(50):
            monitor = after_score(monitor, step % 7 / 7)
        return monitor

    assert run(1) == run(1)
    assert run(1).wealth != run(2).wealth


def test_an_audit_moves_the_pots_by_their_stakes() -> None:
    """A leak at level 5 % pays 19 times the stake; half the probability doubles nothing but its weight."""
    fresh = (1 - reserve(1)) / 4
    leak = after_audit(Audits(0.05), leaked=True)
    assert leak.wealth.pots == pytest.approx([fresh * (1 + s * 19) for s in (0.01, 0.03, 0.1, 0.3)])
    clean = after_audit(Audits(0.05, least_probability=0.2), leaked=False, probability=0.4)
    assert clean.wealth.pots == pytest.approx([fresh * (1 - s / 2) for s in (0.01, 0.03, 0.1, 0.3)])


def test_a_state_comes_back_as_it_was() -> None:
    """Through JSON, and goes on the same."""
    scores, audits = Scores(seed=7), Audits(0.05, least_probability=0.1)
    for step in range(30):
        scores = after_score(scores, step / 30)
        audits = after_audit(audits, leaked=step % 9 == 0, probability=0.5)
    assert scores_in(state_out(scores)) == scores
    assert audits_in(state_out(audits)) == audits
    assert after_score(scores_in(state_out(scores)), 0.5) == after_score(scores, 0.5)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (lambda: after_score(Scores(seed=1), 1.1), "score must lie in"),
        (lambda: after_score(Scores(seed=1), math.nan), "score must lie in"),
        (lambda: after_audit(Audits(0.05, least_probability=0.2), leaked=True, probability=0.1), "from 0.2 to 1"),
        (lambda: Audits(0.0), "level must lie strictly"),
        (lambda: Audits(0.05, least_probability=0.0), "a probability outside"),
        (lambda: Scores(seed=1, counts=(0,)), "not the state of a score monitor"),
        (lambda: scores_in("{}"), "'seed' is missing"),
        (lambda: audits_in(state_out(Scores(seed=1))), "'level' is missing"),
    ],
)
def test_what_is_no_score_no_probability_or_no_state_is_refused(wrong: object, problem: str) -> None:
    """With what it must be."""
    with pytest.raises(ValueError, match=problem):
        wrong()  # type: ignore[operator]
