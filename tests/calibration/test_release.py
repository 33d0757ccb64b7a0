"""The one rule that says when an answer goes out."""

from __future__ import annotations

import math

from calibration.release import first_released, passes


def test_release_is_strict() -> None:
    """A score equal to the threshold stays inside."""
    assert [passes(score, 0.5) for score in (0.4999, 0.5, 0.5001)] == [True, False, False]


def test_nan_never_passes() -> None:
    """Neither as a score nor as a threshold."""
    assert not passes(math.nan, 1.0)
    assert not passes(0.0, math.nan)


def test_the_first_that_passes_is_released() -> None:
    """Not the lowest."""
    assert first_released([0.9, 0.4, 0.1], 0.5) == 1


def test_the_fallback_answers_where_none_passes() -> None:
    """Also where nothing was generated."""
    assert first_released([0.9, 0.5], 0.5) is None
    assert first_released([], 1.0) is None
