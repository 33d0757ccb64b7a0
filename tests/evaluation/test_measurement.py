"""Measurements: counts, intervals, and when the promise is contradicted."""

from __future__ import annotations

import pytest

from evaluation.measurement import BenignResult, ForgetResult, Promise, measure, table_rows
from evaluation.rates import Rate

KEYS = (
    "forget_probes neighbour_probes rounds alpha confidence certificate_threshold leak_rate_before "
    "leak_rate_after leak_rate_after_interval answer_rate leak_given_answered neighbour_accuracy_before "
    "neighbour_accuracy_after benign_unchanged generations_per_forget_probe generations_per_benign_request "
    "train_s total_s"
).split()


def measured(leaks: int, of: int = 100):
    """Measure so many leaks, all of them answered, half of the rest fallen back."""
    forget = [ForgetResult(True, i < leaks, i < leaks or i % 2 == 0, 2) for i in range(of)]
    benign = [BenignResult(True, i != 0, i != 0, 1) for i in range(10)]
    return measure(forget, benign, Promise(5, 0.05, 0.95, 0.4))


def test_the_figures_have_the_agreed_names():
    """Others read the JSON by these keys."""
    assert KEYS == list(measured(2).figures())


def test_the_figures_are_counts_over_their_own_totals():
    """Leaks among the answered are divided by the answered."""
    figures = measured(2).figures()
    assert (100, 10, 1.0, 0.02) == (
        figures["forget_probes"],
        figures["neighbour_probes"],
        figures["leak_rate_before"],
        figures["leak_rate_after"],
    )
    assert 2 / 51 == figures["leak_given_answered"]
    assert (1.0, 0.9, 0.9) == (
        figures["neighbour_accuracy_before"],
        figures["neighbour_accuracy_after"],
        figures["benign_unchanged"],
    )


def test_the_interval_is_clopper_pearsons():
    """Against the textbook's values for 2 of 100."""
    low, high = Rate(2, 100).interval()
    assert pytest.approx((0.00243, 0.07038), abs=1e-5) == (low, high)


@pytest.mark.parametrize(("leaks", "expected"), [(0, False), (5, False), (8, False), (12, True), (40, True)])
def test_only_a_rate_above_alpha_beyond_chance_contradicts_the_promise(leaks, expected):
    """Eight of a hundred happen by chance at 5 %, twelve hardly."""
    assert expected == measured(leaks).contradicts_promise


def test_nothing_counted_is_no_rate():
    """Neither 0 nor 1 would be true."""
    assert (None, (0.0, 1.0)) == (Rate(0, 0).value, Rate(0, 0).interval())


def test_a_measurement_without_probes_is_refused():
    """An empty measurement would contradict nothing."""
    with pytest.raises(ValueError, match="forget probes"):
        measure([], [], Promise(5, 0.05, None, None))


def test_the_table_shows_before_and_after_side_by_side():
    """Three columns in every row."""
    rows = table_rows(measured(2))
    assert {3} == {len(row) for row in rows}
    assert "100.0%" == rows[0][1]
