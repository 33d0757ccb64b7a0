"""Learn-then-Test with MAPIE's risk control as the engine. Needs the extra `ltt`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mapie.risk_control import control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value
from numpy.typing import NDArray

from calibration.fixed_sequence import Constraint, check_grid, loosest, none_rejected
from calibration.outcome import Outcome, check_confidence, check_level
from calibration.ranks import miss_probability

__all__ = ["learn_then_test", "reached_by_mapie"]


def learn_then_test(
    leaks: Sequence[int], grid: Sequence[float], n: int, *, level: float, confidence: float
) -> Outcome:
    """Certify the loosest threshold of the grid that fixed-sequence testing reaches from the strictest.

    Guarantee:   P(risk(threshold) <= level) >= confidence, without monotone losses. Only thresholds of the
                 grid up to this one are covered: operators may not tighten to a value between them.
    Assumes:     independent, identically distributed units, recorded without stopping; a grid and an order
                 fixed before the data (MAPIE's controller would pick the order from the data, so its two
                 steps, the Hoeffding-Bentkus p-values of a 0/1 loss and the fixed-sequence test, are called
                 one by one).
    Source:      arXiv 2110.01052, proposition 1 (Hoeffding-Bentkus) and fixed-sequence testing.
    Verified by: tests/guarantees/test_ltt.py
    Args:        leaks, shape (len(grid),): units that leak at each threshold, out of n (see ``leak_losses``).
                 The grid ascends. Raises ``ValueError`` for a bad grid, level or confidence.
    """
    check_level(level)
    check_confidence(confidence)
    check_grid(grid)
    if n == 0:
        return none_rejected(leaks, n, level, confidence)
    rejected = reached_by_mapie([Constraint(tuple(leaks), n, level)], miss_probability(confidence))
    if rejected == 0:
        return none_rejected(leaks, n, level, confidence)
    return loosest(rejected - 1, leaks, grid, n, level, confidence)


def reached_by_mapie(constraints: Sequence[Constraint], delta: float) -> int:
    """Return what ``calibration.fixed_sequence.reached_exactly`` does, by MAPIE's p-values and test.

    MAPIE's controller refuses a fixed sequence for several risks, so the largest p-value goes into its test.
    """
    per_constraint = [_p_values(constraint) for constraint in constraints]
    return len(control_fwer(np.max(per_constraint, axis=0), delta, "fixed_sequence"))


def _p_values(constraint: Constraint) -> NDArray[np.float64]:
    losses = np.asarray(constraint.losses, dtype=np.float64)
    if constraint.n == 0:
        return np.ones_like(losses)
    risks = losses / constraint.n
    found = compute_hoeffding_bentkus_p_value(risks, constraint.n, constraint.level, binary=True)[:, 0]
    # Undecided is not a pass: MAPIE lets a NaN stop the test in silence.
    return np.asarray(np.nan_to_num(found, nan=1.0), dtype=np.float64)
