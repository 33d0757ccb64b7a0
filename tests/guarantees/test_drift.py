"""Noticing drift: false alarms against Ville's bound, and how long a change goes unnoticed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from scipy.stats import binom, kstest

from calibration.drift import BINS, Audits, Scores, _uniform, after_audit, after_score
from calibration.wealth import Wealth

from .conftest import Note
from .harness import check_kept

pytestmark = pytest.mark.guarantee

DELTA = 0.05


def stream(name: str, rng: np.random.Generator, length: int) -> list[float]:
    """Exchangeable scores: smooth, mostly zero, on four values, or exchangeable without being independent."""
    if name == "smooth":
        return list(rng.beta(2, 6, length))
    if name == "mostly zero":
        return list(np.where(rng.random(length) < 0.9, 0.0, rng.beta(2, 6, length)))
    if name == "four values":
        return list(rng.integers(0, 4, length) / 3)
    return list(np.clip(rng.random() * 0.5 + rng.random(length) / 2, 0, 1))


def rings_at(scores: Iterable[float], seed: int, start: Scores | None = None) -> int | None:
    """Return after how many scores the alarm rings, None if never."""
    monitor = start or Scores(seed=seed, delta=DELTA)
    for number, score in enumerate(scores, start=1):
        monitor = after_score(monitor, score)
        if monitor.alarm:
            return number
    return None


@pytest.mark.parametrize("name", ["smooth", "mostly zero", "four values", "one level per stream"])
def test_scores_that_are_exchangeable_ring_no_more_often_than_delta(name: str, note: Note) -> None:
    """Theorem 13: 200 streams of 400 scores each."""
    reps, rng = 200, np.random.default_rng(111)
    misses = sum(rings_at(stream(name, rng, 400), seed) is not None for seed in range(reps))
    note(f"false alarms on scores, {name}, 400 each", misses, reps, DELTA)
    check_kept(misses, reps, DELTA)


@pytest.mark.parametrize("before", [500, 5_000])
def test_a_change_of_the_scores_is_noticed_soon(before: int, note: Note) -> None:
    """Beta(2, 6) becomes Beta(3, 5), early or after a long quiet time; the ledger holds the median delay."""
    reps, rng, delays = (
        (40, np.random.default_rng(112), []) if before == 500 else (8, np.random.default_rng(113), [])
    )
    for seed in range(reps):
        scores = [*rng.beta(2, 6, before), *rng.beta(3, 5, 1_500)]
        rang = rings_at(scores, seed)
        delays.append(float("inf") if rang is None else rang - before)
    unnoticed = int(np.isinf(delays).sum())
    note(f"unnoticed on scores after {before}, median delay {np.median(delays):.0f}", unnoticed, reps, 0.1)
    assert 0 < np.median(delays) < {500: 150, 5_000: 250}[before]
    assert np.mean(np.isinf(delays)) <= 0.1


def test_ties_that_are_not_split_at_random_are_caught() -> None:
    """The harness fails where a tie counts as if the new score were the highest: heavy ties ring at once."""
    reps, rng = 60, np.random.default_rng(114)
    misses = sum(_rings_without_splitting(rng.integers(0, 2, 300)) for _ in range(reps))
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(misses, reps, DELTA)


def _rings_without_splitting(scores: np.ndarray) -> bool:
    pots, seen = [1 / 3] * 3, [0, 0]
    for number, score in enumerate(scores.tolist(), start=1):
        seen[score] += 1
        p_value = (seen[1] if score == 0 else 0) / number
        total = sum(pots)
        tilts = (0.5 - p_value, 0.0, p_value - 0.5)
        pots = [(0.99 * pot + 0.01 * total / 3) * (1 + tilt) for pot, tilt in zip(pots, tilts, strict=True)]
        if sum(pots) >= 1 / DELTA:
            return True
    return False


def test_what_splits_the_ties_looks_uniform() -> None:
    """And does not repeat with the seed: neighbours of number and of seed are uncorrelated."""
    table = np.array([[_uniform(seed, number) for number in range(2_000)] for seed in range(5)])
    assert all(kstest(row, "uniform").pvalue > 1e-3 for row in table)
    assert np.abs(np.corrcoef(table) - np.eye(5)).max() < 0.1
    assert abs(np.corrcoef(table[0, :-1], table[0, 1:])[0, 1]) < 0.1


def test_the_monitor_may_start_from_calibration_scores(note: Note) -> None:
    """Reference counts make it see a change that was there from the first request on; the promise stays."""
    reps, rng, misses, noticed = 60, np.random.default_rng(115), 0, 0
    for seed in range(reps):
        counts = np.bincount(np.ceil(rng.beta(2, 6, 400) * BINS).astype(int), minlength=BINS + 1)
        start = Scores(seed=seed, delta=DELTA, counts=tuple(counts.tolist()))
        misses += rings_at(rng.beta(2, 6, 300), seed, start) is not None
        noticed += rings_at(rng.beta(3, 5, 300), seed, start) is not None
    note("false alarms on scores with a reference", misses, reps, DELTA)
    check_kept(misses, reps, DELTA)
    assert noticed > 0.9 * reps


def audits_ring(
    leaks: Iterable[bool], probabilities: Iterable[float], least: float, level: float = 0.1
) -> int | None:
    """Return after how many audits the alarm rings, None if never."""
    monitor = Audits(level, delta=DELTA, least_probability=least)
    for number, (leaked, probability) in enumerate(zip(leaks, probabilities, strict=True), start=1):
        monitor = after_audit(monitor, leaked=leaked, probability=probability)
        if monitor.alarm:
            return number
    return None


def suspicious_traffic(rng: np.random.Generator, requests: int) -> tuple[list[bool], list[float]]:
    """Leaks of 10 % in all, and audits that seek them: one request in five is suspect and always audited."""
    suspect = rng.random(requests) < 0.2
    leaks = rng.random(requests) < np.where(suspect, 0.42, 0.02)
    probabilities = np.where(suspect, 1.0, 0.25)
    drawn = rng.random(requests) < probabilities
    return leaks[drawn].tolist(), probabilities[drawn].tolist()


@pytest.mark.parametrize("design", ["all audited", "suspects first", "far below"])
def test_answers_that_leak_at_the_level_ring_no_more_often_than_delta(design: str, note: Note) -> None:
    """Theorem 14, at the very level, with audits that seek out suspects, and below it."""
    reps, rng, misses = 200, np.random.default_rng(116), 0
    for _ in range(reps):
        if design == "suspects first":
            leaks, probabilities = suspicious_traffic(rng, 1_000)
            misses += audits_ring(leaks, probabilities, 0.25) is not None
        else:
            leaks = (rng.random(400) < (0.1 if design == "all audited" else 0.02)).tolist()
            misses += audits_ring(leaks, [1.0] * 400, 1.0) is not None
    note(f"false alarms on audits, {design}", misses, reps, DELTA)
    check_kept(misses, reps, DELTA)


def test_audits_that_seek_suspects_need_their_weights() -> None:
    """The harness fails where such audits are counted as if each request were audited alike."""
    reps, rng, misses = 100, np.random.default_rng(117), 0
    for _ in range(reps):
        leaks, _ = suspicious_traffic(rng, 1_000)
        misses += audits_ring(leaks, [1.0] * len(leaks), 1.0) is not None
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(misses, reps, DELTA)


def test_testing_again_at_every_audit_is_caught() -> None:
    """The harness fails for the exact test of one day, repeated each day."""
    reps, rng, misses = 300, np.random.default_rng(118), 0
    number = np.arange(1, 601)
    for _ in range(reps):
        leaks = (rng.random(600) < 0.1).cumsum()
        misses += bool((binom.sf(leaks - 1, number, 0.1) <= DELTA).any())
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(misses, reps, DELTA)


@pytest.mark.parametrize(("quiet", "soon"), [(0, 60), (2_000, 130)])
def test_answers_that_leak_too_often_are_noticed(quiet: int, soon: int, note: Note) -> None:
    """From 2 % to 30 % against a level of 10 %: at once, or after a long quiet time."""
    reps, rng, delays = 40, np.random.default_rng(119), []
    for _ in range(reps):
        leaks = [*(rng.random(quiet) < 0.02).tolist(), *(rng.random(500) < 0.3).tolist()]
        rang = audits_ring(leaks, [1.0] * len(leaks), 1.0)
        delays.append(float("inf") if rang is None else rang - quiet)
    unnoticed = int(np.isinf(delays).sum())
    note(f"unnoticed on audits after {quiet}, median delay {np.median(delays):.0f}", unnoticed, reps, 0.1)
    assert 0 < np.median(delays) < soon
    assert np.mean(np.isinf(delays)) <= 0.1


def test_a_bettor_who_stakes_all_at_once_is_slower_after_a_quiet_time() -> None:
    """Why there is a reserve: without it the money is gone when the change comes."""
    leaks = [*[False] * 2_000, *(np.random.default_rng(120).random(2_000) < 0.2).tolist()]
    staked = Wealth((0.25,) * 4, bets=10**15)  # past so many bets that next to nothing comes in
    late = [
        next(rings) - 2_000
        for rings in (_ringing(Audits(0.1, delta=DELTA), leaks), _ringing(Audits(0.1, DELTA, 1.0, staked), leaks))
    ]
    assert 0 < late[0] < late[1] / 2


def _ringing(monitor: Audits, leaks: Iterable[bool]) -> Iterator[int]:
    for number, leaked in enumerate(leaks):
        monitor = after_audit(monitor, leaked=leaked)
        if monitor.alarm:
            yield number
