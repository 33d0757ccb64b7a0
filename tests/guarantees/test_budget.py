"""The calibrated iteration budget, simulated against its stated level."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.budget import Budget, calibrated_budget, compare_budget, first_pass_round

from .conftest import Note
from .harness import check_kept, check_not_timid
from .laws import law

pytestmark = pytest.mark.guarantee

REPS = 10_000


def _rounds(name: str) -> np.ndarray:
    rng = np.random.default_rng(41)
    size = 20_000
    if name == "geometric":
        return rng.geometric(0.4, size).astype(float)
    if name == "never, now and then":
        return np.where(rng.random(size) < 0.03, np.inf, rng.integers(1, 6, size))
    return rng.permutation(size) + 1.0  # no ties: nothing is given away


def _budgets(rounds: np.ndarray, n: int, level: float, confidence: float | None, reps: int) -> np.ndarray:
    rng = np.random.default_rng(42)
    found = [calibrated_budget(rounds[rng.integers(0, len(rounds), n)], level, confidence) for _ in range(reps)]
    return np.array([b.rounds if isinstance(b, Budget) else np.inf for b in found])


@pytest.mark.parametrize("name", ["geometric", "never, now and then", "no ties"])
@pytest.mark.parametrize(("n", "level"), [(19, 0.05), (99, 0.1)])
def test_the_verifier_passes_within_the_budget(name: str, n: int, level: float, note: Note) -> None:
    """Theorem 6: the next prompt needs more rounds than the budget no more often than the level."""
    rounds = _rounds(name)
    budgets = _budgets(rounds, n, level, None, REPS)
    misses = int(((_next(rounds) > budgets) & np.isfinite(budgets)).sum())
    note(f"budget, {name}, n={n}", misses, REPS, level)
    check_kept(misses, REPS, level)
    if name == "no ties":
        check_not_timid(misses, REPS, level)


def _next(rounds: np.ndarray) -> np.ndarray:
    return rounds[np.random.default_rng(43).integers(0, len(rounds), REPS)]


@pytest.mark.parametrize("name", ["geometric", "never, now and then", "no ties"])
@pytest.mark.parametrize("n", [59, 181])
def test_the_budget_holds_with_confidence(name: str, n: int, note: Note) -> None:
    """Theorem 6 with confidence: over calibration draws, the share above the budget is over 5 % in at most 5 %."""
    rounds, reps = _rounds(name), 4_000
    budgets = _budgets(rounds, n, 0.05, 0.95, reps)
    ordered = np.sort(rounds)
    beyond = 1 - np.searchsorted(ordered, budgets, side="right") / len(ordered)
    misses = int(((beyond > 0.05) & np.isfinite(budgets)).sum())
    note(f"budget with confidence, {name}, n={n}", misses, reps, 0.05)
    check_kept(misses, reps, 0.05)
    if name == "no ties":
        check_not_timid(misses, reps, 0.05)


@pytest.mark.parametrize("name", ["all-leak", "none-leak"])
def test_the_budget_alone_does_not_bound_leaks(name: str, note: Note) -> None:
    """Two laws of the same scores, hence the same budget, and it holds for both: one always leaks, one never."""
    design, threshold, level = law(name, 4_000), 0.6, 0.1
    everything = design.trajectories()
    found = calibrated_budget([first_pass_round(t, threshold) for t in everything[:200]], level, 0.95)
    assert isinstance(found, Budget)
    assert found.rounds == 3
    fresh = everything[200:]
    late = sum(first_pass_round(t, threshold) > found.rounds for t in fresh)
    note(f"budget on fresh prompts, {name}", late, len(fresh), level)
    check_kept(late, len(fresh), level)
    budgeted = compare_budget(fresh, threshold, found)[2]
    assert budgeted.leak_rate.share == (budgeted.answer_rate.share if name == "all-leak" else 0.0)
    assert budgeted.answer_rate.share > 0.9


def test_stopping_saves_rounds_at_an_equal_leak_rate_and_the_budget_at_no_higher_one() -> None:
    """On the good verifier at a threshold that most pass: under half of the generations."""
    fresh = law("good", 4_000).trajectories()
    rounds = [first_pass_round(t, 0.5) for t in fresh[:300]]
    found = calibrated_budget(rounds, 0.2, 0.95)
    assert isinstance(found, Budget)
    assert found.rounds < 4
    always, stopping, budgeted = compare_budget(fresh[300:], 0.5, found)
    assert always.leak_rate == stopping.leak_rate
    assert always.answer_rate == stopping.answer_rate
    assert budgeted.leak_rate.count <= stopping.leak_rate.count
    assert budgeted.generations <= stopping.generations < always.generations / 2


def test_a_budget_one_rank_too_small_is_caught() -> None:
    """The harness fails for the rank below."""
    rounds, n, level = _rounds("no ties"), 19, 0.05
    rng = np.random.default_rng(42)
    draws = rounds[rng.integers(0, len(rounds), (REPS, n))]
    with pytest.raises(AssertionError, match="missed at level"):
        check_kept(int((_next(rounds) > np.sort(draws, axis=1)[:, -2]).sum()), REPS, level)
