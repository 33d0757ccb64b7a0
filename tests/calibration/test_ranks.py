"""Which order statistic keeps a promise at n units."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from calibration.ranks import confident_rank, exact, expectation_rank, units_needed


@pytest.mark.parametrize(
    ("level", "without", "with_confidence"), [(0.1, 9, 29), (0.05, 19, 59), (0.02, 49, 149), (0.01, 99, 299)]
)
def test_the_smallest_n_with_no_leaks(level: float, without: int, with_confidence: int) -> None:
    """The table of docs/guarantees.md."""
    assert (units_needed(level, None), units_needed(level, 0.95)) == (without, with_confidence)


@pytest.mark.parametrize("level", [0.01, 0.03, 0.05, 0.07, 0.1, 0.15, 0.3])
def test_a_rank_exists_from_the_needed_n_on_and_not_before(level: float) -> None:
    """Both forms, against the ranks themselves."""
    for confidence in (None, 0.8, 0.95, 0.99):
        needed = units_needed(level, confidence)
        ranks = [
            expectation_rank(n, level) if confidence is None else confident_rank(n, level, confidence)
            for n in (needed - 1, needed)
        ]
        assert ranks[0] == 0 < ranks[1]


def test_levels_are_read_as_the_decimals_that_were_written() -> None:
    """0.29 * 100 is 28.999… in floats; the rank is 29."""
    assert 0.29 * 100 < 29
    assert expectation_rank(99, 0.29) == 29
    assert exact(0.05) * 20 == 1


@pytest.mark.parametrize("n", [1, 5, 29, 59, 100, 181, 400])
@pytest.mark.parametrize(("level", "confidence"), [(0.05, 0.95), (0.1, 0.9), (0.5, 0.6), (0.3, 0.99)])
def test_the_confident_rank_is_the_largest_that_keeps_the_tail(n: int, level: float, confidence: float) -> None:
    """Against scipy.stats, by trying every k."""
    fine = [k for k in range(1, n + 1) if binom.cdf(k - 1, n, level) <= 1 - confidence + 1e-12]
    assert confident_rank(n, level, confidence) == max(fine, default=0)


def test_a_tail_equal_to_delta_is_allowed() -> None:
    """P(Bin(1, .5) <= 0) is exactly .5."""
    assert confident_rank(1, 0.5, 0.5) == 1


def test_no_units_give_no_rank() -> None:
    """Also for the confident form."""
    assert (expectation_rank(0, 0.5), confident_rank(0, 0.5, 0.5)) == (0, 0)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_level_outside_zero_and_one_is_refused(level: float) -> None:
    """NaN included."""
    with pytest.raises(ValueError, match="level must lie strictly between"):
        expectation_rank(10, level)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_outside_zero_and_one_is_refused(confidence: float) -> None:
    """Percentages are a common slip."""
    with pytest.raises(ValueError, match="confidence must lie strictly between"):
        confident_rank(10, 0.1, confidence)
