"""Figures of what was kept and forgotten: told, written, read back, and judged in plain words."""

import math

import numpy as np
import pytest

from unlearners.bags import Bags
from unlearners.data import Dataset
from unlearners.measured import Figure, Measured, harm, measured_words, read_measured
from unlearners.yardstick import MOST_UNITS, Yardstick, compared, of_bags, of_rows


def losses(*figures):
    """Measure losses on dialogues."""
    return Measured("loss", "dialogue", tuple(Figure(*one) for one in figures))


def test_figures_are_told_a_line_a_set():
    """With the commonest answer beside an accuracy."""
    told = measured_words(losses(("forget", 1, 0.05, 3.2), ("retain", 20, 0.06, 0.09)))
    assert (
        "Mean loss of a token, in nats, before → after:",
        "  forget (1 dialogue)    0.050 → 3.200",
        "  retain (20 dialogues)  0.060 → 0.090",
    ) == told
    trained = Measured("accuracy", "row", (Figure("learned", 8, None, 0.75, 0.5),))
    assert (
        "Answered right:",
        "  learned (8 rows)  75.0%  (always the commonest answer: 50.0%)",
    ) == measured_words(trained)


def test_they_are_written_and_read_back(tmp_path):
    """A loss that is no number too; a directory without them has none, and a strange file is refused."""
    measured = losses(("forget", 1, 0.05, 3.2), ("retain", 20, None, 0.09))
    (tmp_path / "measured.json").write_text(measured.to_json())
    assert measured == read_measured(tmp_path)
    (tmp_path / "measured.json").write_text(losses(("retain", 1, 1.0, math.inf)).to_json())
    assert math.isnan(read_measured(tmp_path).figures[0].after)
    (tmp_path / "measured.json").write_text(measured.to_json().replace("loss", "taste"))
    with pytest.raises(ValueError, match="measures 'taste'"):
        read_measured(tmp_path)
    assert read_measured(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [(1.0, 1.4, ()), (1.0, 1.41, ("harmed",)), (0.0, 1.7, ("ruined",)), (1.0, math.nan, ("no longer says",))],
)
def test_what_became_unlikely_is_called_harmed_or_ruined(before, after, words):
    """From half as unlikely again, and from five times."""
    told = harm(losses(("forget", 1, 0.0, 9.0), ("retain", 1, before, after)), should_forget=True)
    assert len(words) == len(told)
    assert all(word in one for word, one in zip(words, told, strict=True))


def test_that_nothing_was_forgotten_is_said_where_it_should_be():
    """A certified head owes nothing to the loss on what it forgot."""
    measured = losses(("forget", 1, 1.0, 1.05), ("retain", 1, 1.0, 1.0))
    assert ["next to nothing"] == [one[:15] for one in harm(measured, should_forget=True)]
    assert () == harm(measured, should_forget=False)


def test_rows_are_judged_beside_the_commonest_answer_of_what_is_kept():
    """Which need not be the commonest of what is forgotten."""
    data = Dataset(np.array([[1.0], [1.0], [-1.0], [1.0]]), np.array([1, 1, 0, 0]), ("no", "yes"))
    sets = {"forget": np.array([2]), "retain": np.array([0, 1, 3])}
    measured = compared(of_rows(data), np.array([[1.0]]), np.array([[-1.0]]), sets, "retain")
    assert (Figure("forget", 1, 1.0, 0.0, 0.0), Figure("retain", 3, 2 / 3, 1 / 3, 2 / 3)) == measured.figures
    (told,) = harm(measured, should_forget=False)
    assert "of no use: on the 3 rows of 'retain'" in told


def test_heads_are_judged_by_their_tokens():
    """Each token counts once, however its unit's are many; scores that are large do not overflow."""
    bags = Bags(np.eye(3), np.array([0, 1, 1]), np.array([0, 1, 1]), 2, ("a", "b"))
    weights = np.array([[2000.0, 0.0, 0.0], [0.0, 0.0, math.log(3)]])
    of = of_bags(bags, np.zeros((2, 3)))
    assert pytest.approx((math.log(2) + math.log(4 / 3)) / 3) == of.score(weights, np.array([0, 1]))
    assert 0 == of.score(weights, np.array([0]))


def test_of_many_units_some_are_looked_at_from_first_to_last():
    """Evenly spaced, and their number is told."""
    looked = []
    stick = Yardstick("loss", "unit", lambda weights, rows: looked.append(rows) or 0.0, most=MOST_UNITS)
    measured = compared(stick, None, np.zeros(1), {"learned": np.arange(5000)}, "learned")
    assert (MOST_UNITS, 0, 4999) == (measured.figures[0].units, looked[0][0], looked[0][-1])
