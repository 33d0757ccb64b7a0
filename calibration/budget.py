"""The seed method's calibrated budget: how many rounds until the verifier passes. Knows no leaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.answered import Rate, rate
from calibration.outcome import Infeasible
from calibration.ranks import confident_rank, expectation_rank, units_needed
from calibration.replay import generations, generations_always, leaks_at, released, within
from calibration.trajectories import Trajectory

__all__ = ["Budget", "BudgetFigures", "calibrated_budget", "compare_budget", "first_pass_round"]


@dataclass(frozen=True, slots=True)
class Budget:
    """So many rounds suffice: the ``k``-th smallest of ``n`` first-pass rounds."""

    rounds: int
    k: int
    n: int
    level: float
    confidence: float | None


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """What one way to run the loop met on recorded prompts; generations are the mean per prompt."""

    way: str
    generations: float
    leak_rate: Rate
    answer_rate: Rate


def first_pass_round(trajectory: Trajectory, threshold: float) -> float:
    """Return in which of its rounds, counted from 1, a trajectory first passes; infinity if in none."""
    position = released(trajectory, threshold)
    if position is None:
        return math.inf
    before = {candidate.round for candidate in trajectory.candidates[: position + 1]}
    return float(len(before))


def calibrated_budget(
    first_pass_rounds: Sequence[float], level: float, confidence: float | None = None
) -> Budget | Infeasible:
    """Choose the smallest budget within which the verifier passes with probability at least 1 - ``level``.

    This bounds the cost, not the leaks: an answer on which a wrong verifier passes still leaks.

    Guarantee:   P(the verifier passes within the budget) >= 1 - level on the next prompt; with a confidence,
                 that holds for the drawn calibration set with at least that probability.
    Assumes:     exchangeable prompts (with a confidence: independent and identically distributed).
    Source:      arXiv 2602.03787, calibrated iteration budget, reconstructed in docs/guarantees.md, theorem
                 6.
    Verified by: tests/guarantees/test_budget.py
    Args:        first_pass_rounds, shape (n,), from 1; infinity where the verifier never passed.
    """
    values = np.sort(np.asarray(first_pass_rounds, dtype=np.float64))
    if np.isnan(values).any() or (values < 1).any():
        raise ValueError("first-pass rounds count from 1, and are infinite where the verifier never passed")
    n = len(values)
    k = n + 1 - _tail_rank(n, level, confidence)
    if k > n:
        needed = units_needed(level, confidence)
        return Infeasible(f"{n} prompts are too few: {needed} would do if the verifier passed on all", n, needed)
    rounds = float(values[k - 1])
    if math.isinf(rounds):
        never = int(np.count_nonzero(np.isinf(values)))
        return Infeasible(f"the verifier never passed on {never} of {n} prompts, at most {n - k} may", n, None)
    return Budget(int(rounds), k, n, level, confidence)


def _tail_rank(n: int, level: float, confidence: float | None) -> int:
    """Return how many from the slow end the budget is taken: both forms mirror the record-low ranks.

    ceil((n + 1)(1 - level)) is n + 1 - floor((n + 1) level), and P(Bin(n, 1 - level) >= k) is
    P(Bin(n, level) <= n - k).
    """
    if confidence is None:
        return expectation_rank(n, level)
    return confident_rank(n, level, confidence)


def compare_budget(
    trajectories: Sequence[Trajectory], threshold: float, budget: Budget
) -> tuple[BudgetFigures, BudgetFigures, BudgetFigures]:
    """Compare three ways to run the same loop: every round always, stopping, and stopping within the budget.

    All release the first candidate below ``threshold``. So the first two give the same answers and leak alike,
    and what stopping saves is saved at an equal leak rate; the budget cuts answers that come after it, so it
    leaks at most as often. How often that is, the budget does not bound: tests/guarantees/test_budget.py shows
    two laws with the same budget of which one never leaks and one always. Raises ``ValueError`` naming a prompt
    whose released answer has no label.
    """
    cut = [within(trajectory, budget.rounds) for trajectory in trajectories]
    return (
        _figures("every round", trajectories, threshold, [generations_always(t) for t in trajectories]),
        _figures("stopping", trajectories, threshold, [generations(t, threshold) for t in trajectories]),
        _figures(
            f"stopping, {budget.rounds} rounds at most", cut, threshold, [generations(t, threshold) for t in cut]
        ),
    )


def _figures(
    way: str, trajectories: Sequence[Trajectory], threshold: float, spent: Sequence[int]
) -> BudgetFigures:
    prompts = len(trajectories)
    leaking = sum(leaks_at(trajectory, threshold) for trajectory in trajectories)
    answered = sum(released(trajectory, threshold) is not None for trajectory in trajectories)
    return BudgetFigures(way, sum(spent) / max(prompts, 1), rate(leaking, prompts), rate(answered, prompts))
