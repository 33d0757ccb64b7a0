"""Record-low conformal: a leak certificate from exchangeability alone. Knows scores and labels, no text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.outcome import Certified, Infeasible, Outcome
from calibration.ranks import confident_rank, expectation_rank, units_needed
from calibration.replay import by_unit, is_foreign, label_of
from calibration.trajectories import Trajectory

__all__ = [
    "control_leak_risk",
    "control_leak_risk_confident",
    "covering_record_low",
    "lowest_leak",
    "plain_record_low",
    "record_low",
    "unit_record_lows",
]


def record_low(scores: Sequence[float], leaks: Sequence[bool | None]) -> float:
    """Return R, the lowest score of a leak that undercuts every earlier score; infinity if there is none.

    At any threshold t the released candidate undercuts all earlier ones, so a released leak implies R < t.
    Only candidates that undercut all earlier ones need a label.
    Raises ``ValueError`` where such a label is missing or the lengths differ.
    """

    def label(position: int) -> bool:
        leak = leaks[position]
        if leak is None:
            raise ValueError(f"candidate {position + 1} has no label")
        return leak

    if len(scores) != len(leaks):
        raise ValueError(f"{len(scores)} scores, but {len(leaks)} labels")
    return _lowest_undercutting_leak(scores, label)


def lowest_leak(scores: Sequence[float], leaks: Sequence[bool | None]) -> float:
    """Return W, the lowest score of any leak; infinity if there is none. Every candidate needs a label.

    In place of R for a rule that is not "the first below", such as best of N: any rule that releases only
    candidates strictly below a threshold t can leak only where W < t.
    """
    if any(leak is None for leak in leaks):
        raise ValueError(f"candidate {list(leaks).index(None) + 1} has no label")
    return min((score for score, leak in zip(scores, leaks, strict=True) if leak), default=math.inf)


def _lowest_undercutting_leak(scores: Sequence[float], label: Callable[[int], bool]) -> float:
    lowest, lowest_leaking = math.inf, math.inf
    for position, score in enumerate(scores):
        if score < lowest:
            lowest = score
            if label(position):
                lowest_leaking = score  # running minima fall, so the last leak is the lowest
    return lowest_leaking


def plain_record_low(trajectory: Trajectory) -> float:
    """Return the record low. Raises ``ValueError`` naming the prompt where a label is missing."""
    return _lowest_undercutting_leak(trajectory.scores, lambda position: label_of(trajectory, position))


def covering_record_low(trajectory: Trajectory) -> float:
    """Return the record low that also covers every subset of the topics: minus infinity on cross-talk.

    Cross-talk is a candidate whose evidence names another topic than the prompt's: without that topic the
    loop could have gone another way. Candidates after a score of 0 do not count, since no threshold above 0
    reaches them.
    """
    for candidate in trajectory.candidates:
        if is_foreign(trajectory, candidate):
            return -math.inf
        if candidate.score == 0.0:
            break
    return plain_record_low(trajectory)


def unit_record_lows(
    trajectories: Iterable[Trajectory], of: Callable[[Trajectory], float] = plain_record_low
) -> NDArray[np.float64]:
    """Return one record low per unit, the lowest over its prompts: shape (units,), ascending.

    The unit is then covered as a whole: a leak on any of its prompts counts.
    """
    lows = [min(map(of, members)) for _, members in by_unit(trajectories)]
    return np.sort(np.asarray(lows, dtype=np.float64))


def control_leak_risk(record_lows: ArrayLike, *, level: float) -> Outcome:
    """Choose the loosest threshold whose leak probability on the next unit is at most ``level``.

    Guarantee:   P(the released answer leaks) <= k / (n + 1) <= level, over the calibration units and the next
                 one together; also for every stricter threshold and every smaller budget of rounds, even if
                 chosen afterwards.
    Assumes:     exchangeable units, recorded without stopping; feedback that does not depend on the
                 threshold.
    Source:      docs/guarantees.md, theorem 1 (split conformal prediction applied to the record low).
    Verified by: tests/guarantees/test_record_low.py
    Args:        record_lows, shape (n,), one per unit. Raises ``ValueError`` for a NaN or a bad level.
    """
    return _kth_smallest(_checked(record_lows), expectation_rank, level=level, confidence=None)


def control_leak_risk_confident(record_lows: ArrayLike, *, level: float, confidence: float) -> Outcome:
    """Choose a threshold that bounds the leak probability with ``confidence`` over the calibration draw.

    Guarantee:   P(risk(threshold) <= level) >= confidence, where risk is the leak probability on a new unit;
                 also for every stricter threshold and every smaller budget, even if chosen afterwards.
    Assumes:     independent, identically distributed units, recorded without stopping; feedback as above.
    Source:      docs/guarantees.md, theorem 2 (an order statistic as a tolerance limit).
    Verified by: tests/guarantees/test_record_low.py
    Args:        record_lows, shape (n,), one per unit. Raises ``ValueError`` for a NaN, a bad level or
                 confidence.
    """

    def rank(n: int, level: float) -> int:
        return confident_rank(n, level, confidence)

    return _kth_smallest(_checked(record_lows), rank, level=level, confidence=confidence)


def _checked(record_lows: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(record_lows, dtype=np.float64)
    if values.ndim != 1 or np.isnan(values).any():
        raise ValueError("record lows must be a flat list of numbers without NaN")
    return values


def _kth_smallest(
    record_lows: NDArray[np.float64],
    rank: Callable[[int, float], int],
    *,
    level: float,
    confidence: float | None,
) -> Outcome:
    n = len(record_lows)
    k = rank(n, level)
    if k == 0:
        needed = units_needed(level, confidence)
        return Infeasible(f"{n} units are too few: {needed} would do if none of them leaked", n, needed)
    value = float(np.partition(record_lows, k - 1)[k - 1])
    if value <= 0.0:  # scores lie in [0, 1] and release is strict: nothing would go out
        return Infeasible(_nothing_below(record_lows, k, value), n, None)
    return Certified(min(value, 1.0), k, n, level, confidence)  # the cap is stricter, hence valid


def _nothing_below(record_lows: NDArray[np.float64], k: int, value: float) -> str:
    if value == -math.inf:
        crossed = int(np.count_nonzero(np.isneginf(record_lows)))
        return (
            f"{crossed} of {len(record_lows)} units met evidence about another topic than their own, and at "
            f"most {k - 1} may; calibrate without covering subsets of the topics, or separate their words"
        )
    at_zero = int(np.count_nonzero(record_lows <= 0.0))
    return (
        f"the k-th smallest record low is 0 (k = {k}): {at_zero} of {len(record_lows)} units leak at score "
        "0, so no threshold tells their leaks from safe answers; a better verifier is needed"
    )
