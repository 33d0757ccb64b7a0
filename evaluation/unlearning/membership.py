"""The membership attack: are somebody's answers likelier to the model than a stranger's? Knows no model."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["area_under_curve", "matched_area_under_curve"]


def area_under_curve(members: ArrayLike, strangers: ArrayLike) -> float:
    """Return P(a member's loss < a stranger's) + ½P(equal), members and strangers drawn apart.

    An attacker who calls low losses members wins this often: .5 is chance, 1 is certainty, and 0 as well, since
    whoever is told by a loss that is too high is told all the same. Raises ``ValueError`` for a side without
    losses, or with one that is no finite number.
    """
    return matched_area_under_curve(_losses(members)[None, :], _losses(strangers)[None, :])


def matched_area_under_curve(members: ArrayLike, strangers: ArrayLike) -> float:
    """Return the same, with comparisons within a row only: shapes (questions, members), (questions, strangers).

    Questions of which some are harder for everybody then hide nobody. Raises ``ValueError`` as above, and where
    the questions disagree.
    """
    own, others = _losses(members), _losses(strangers)
    if own.ndim != 2 or others.ndim != 2 or len(own) != len(others):
        raise ValueError(f"needs losses of the same questions, a row each; got {own.shape} and {others.shape}")
    lower = (own[:, :, None] < others[:, None, :]).mean()
    equal = (own[:, :, None] == others[:, None, :]).mean()
    return float(lower + equal / 2)


def _losses(given: ArrayLike) -> NDArray[np.float64]:
    losses = np.asarray(given, dtype=np.float64)
    if losses.size == 0:
        raise ValueError("an attack on membership needs losses of members and of strangers")
    if not np.isfinite(losses).all():
        raise ValueError("a loss is not a finite number, so it ranks nobody")
    return losses
