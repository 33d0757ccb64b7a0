"""Learn-then-Test's promise, simulated with MAPIE as the engine, and held against the exact test."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from calibration.fixed_sequence import DEFAULT_GRID, control_by_fixed_sequence, leak_losses
from calibration.ltt import learn_then_test
from calibration.outcome import Certified, Outcome
from calibration.ranks import miss_probability

from .conftest import Note
from .harness import check_kept, check_not_timid
from .laws import ALL_LAWS, Law, law

pytestmark = pytest.mark.guarantee

REPS = 1_000
SIZE = 3_000


@cache
def losses(name: str) -> np.ndarray:
    """The real replay's losses, shape (SIZE, grid)."""
    return leak_losses(law(name, SIZE).trajectories())


def leaks_in_draws(table: np.ndarray, n: int, reps: int) -> list[list[int]]:
    """Count leaks at each threshold for many calibration draws of ``n`` units."""
    rng = np.random.default_rng(11)
    return [table[rng.integers(0, len(table), n)].sum(axis=0).tolist() for _ in range(reps)]


def misses_of(outcomes: list[Outcome], table: np.ndarray, level: float) -> int:
    """Count the certified thresholds whose true risk is above the level."""
    risks = dict(zip(DEFAULT_GRID, table.mean(axis=0).tolist(), strict=True))
    return sum(isinstance(o, Certified) and risks[o.threshold] > level for o in outcomes)


@pytest.mark.parametrize(("n", "level"), [(59, 0.05), (200, 0.1)])
@pytest.mark.parametrize("name", ALL_LAWS)
def test_the_risk_exceeds_the_level_no_more_often_than_one_minus_confidence(
    name: str, n: int, level: float, note: Note
) -> None:
    """Theorem 3, without monotone losses, from the smallest n on."""
    table = losses(name)
    draws = leaks_in_draws(table, n, REPS)
    outcomes = [learn_then_test(leaks, DEFAULT_GRID, n, level=level, confidence=0.95) for leaks in draws]
    misses = misses_of(outcomes, table, level)
    note(f"Learn-then-Test, {name}, n={n}, level={level}", misses, REPS, 0.05)
    check_kept(misses, REPS, 0.05)


def _at_the_border(level: float) -> np.ndarray:
    """Losses of a law whose risk is a hair above the level at every threshold: the hardest case to refuse."""
    leaking = np.arange(10_000) < 10_000 * level + 1
    return np.tile(leaking[:, None], (1, len(DEFAULT_GRID)))


def test_learn_then_test_is_not_timid_at_the_border(note: Note) -> None:
    """A risk just above the level is certified nearly as often as the confidence allows."""
    n, level, reps, table = 181, 0.05, 4_000, _at_the_border(0.05)
    draws = leaks_in_draws(table, n, reps)
    outcomes = [learn_then_test(leaks, DEFAULT_GRID, n, level=level, confidence=0.95) for leaks in draws]
    misses = misses_of(outcomes, table, level)
    note(f"Learn-then-Test, at the border, n={n}", misses, reps, 0.05)
    check_kept(misses, reps, 0.05)
    check_not_timid(misses, reps, 0.05)


def test_picking_the_loosest_threshold_that_passes_alone_is_caught() -> None:
    """The harness fails where every threshold is tested by itself and luck picks among them."""
    n, level, table = 200, 0.12, losses("staircase")
    draws = leaks_in_draws(table, n, REPS)
    outcomes = [_loosest_passing(leaks, n, level) for leaks in draws]
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(misses_of(outcomes, table, level), REPS, 0.05)


def _loosest_passing(leaks: list[int], n: int, level: float) -> Outcome:
    passing: list[Outcome] = []
    for threshold, count in zip(DEFAULT_GRID, leaks, strict=True):
        alone = control_by_fixed_sequence([count], [threshold], n, level=level, confidence=0.95)
        passing += [alone] * isinstance(alone, Certified)
    return passing[-1] if passing else alone


@pytest.mark.parametrize("name", ALL_LAWS)
def test_mapie_and_the_exact_test_agree(name: str) -> None:
    """On the same data MAPIE's engine certifies the exact test's threshold, or a stricter one, never a looser."""
    n, level = 200, 0.1
    pairs = [
        (
            learn_then_test(leaks, DEFAULT_GRID, n, level=level, confidence=0.95),
            control_by_fixed_sequence(leaks, DEFAULT_GRID, n, level=level, confidence=0.95),
        )
        for leaks in leaks_in_draws(losses(name), n, 200)
    ]
    reach = [tuple(o.threshold if isinstance(o, Certified) else 0.0 for o in pair) for pair in pairs]
    assert all(mapie <= exact for mapie, exact in reach)
    assert sum(mapie == exact for mapie, exact in reach) >= 0.9 * len(reach)


def test_a_stricter_threshold_off_the_grid_is_not_covered() -> None:
    """Why a Learn-then-Test certificate may not be tightened: a law that leaks only between grid points."""
    between = Law(np.array([[0.5, 0.025]] * 10), np.array([[False, True]] * 10))
    assert [between.risk(t) for t in (0.02, 0.03, 0.6)] == [0.0, 1.0, 0.0]
    grid = (0.02, 0.6)
    leaks = leak_losses(between.trajectories(), grid).sum(axis=0).tolist()
    outcome = learn_then_test(leaks, grid, 200, level=0.1, confidence=0.95)
    assert outcome == Certified(0.6, 0, 200, 0.1, 0.95)


def test_the_smallest_n_is_that_of_the_exact_tail() -> None:
    """With no leaks 59 units certify 5 % at 95 %, and 58 do not."""
    none = [0] * len(DEFAULT_GRID)
    assert isinstance(learn_then_test(none, DEFAULT_GRID, 59, level=0.05, confidence=0.95), Certified)
    assert not isinstance(learn_then_test(none, DEFAULT_GRID, 58, level=0.05, confidence=0.95), Certified)
    assert 0.95**59 <= miss_probability(0.95) < 0.95**58
