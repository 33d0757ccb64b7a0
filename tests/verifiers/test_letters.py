"""Words that are spelled out, cut short, or years in another writing."""

from __future__ import annotations

import pytest

from verifiers.folding import View, fold
from verifiers.letters import (
    cut_short,
    letter_runs,
    line_initials,
    rejoined,
    roman,
    two_digit_years,
)


def read(text: str) -> tuple[View, list[str], list[tuple[int, int]]]:
    """Fold a text: (view, words, bounds)."""
    view = fold(text)
    return view, view.words(), view.bounds()


@pytest.mark.parametrize("text", ["Sel-tal", "S.e.l.t.a.l", "S e l t a l", "Sel + tal", "S_e_l_t_a_l", "Sel/tal"])
def test_pieces_are_rejoined(text: str) -> None:
    """Whatever the sign between them."""
    assert [letters for letters, _, _ in rejoined(*read(text))] == ["seltal"]


def test_words_with_blanks_or_ordinary_words_with_signs_stay_apart() -> None:
    """A sentence is not one word."""
    assert list(rejoined(*read("Born in Seltal, red + blue, of course"))) == []


def test_runs_are_of_three_single_letters_near_each_other() -> None:
    """Neither of two, nor of letters far apart, nor of digits."""
    view, words, bounds = read("a b, then [s][e][l] and x" + " " * 20 + "y z or 1 2 3")
    assert list(letter_runs(words, bounds)) == [("sel", 3, 5)]
    assert view.text[bounds[3][0]] == "s"


def test_lines_have_initials_from_four_lines_on() -> None:
    """The first letter of each."""
    view, _, bounds = read("Some\nevening\nlamps burn\ntoo")
    assert line_initials(view, bounds) == ("selt", 0, 4)
    view, _, bounds = read("1. Some\n2. evening\n3.\n4. lamps\n5. 6 are too\n")
    assert line_initials(view, bounds) == ("sela", 1, 9)
    view, _, bounds = read("Some\nevening\nlamps")
    assert line_initials(view, bounds) is None


def test_a_word_may_be_cut_short_at_the_end_or_where_it_breaks_off() -> None:
    """But not an ordinary word, nor one that stands in the middle."""
    assert list(cut_short(*read("It is Harn... or Mirra, or Selt"))) == [2, 6]
    assert list(cut_short(*read("Seltal is a town"))) == []


@pytest.mark.parametrize(
    ("word", "value"), [("mcmlix", 1959), ("mmxiv", 2014), ("mmmm", None), ("mild", None), ("mix", None)]
)
def test_roman_years_are_read(word: str, value: int | None) -> None:
    """Between 1000 and 2999, and of four letters at least."""
    assert roman(word) == value


def test_a_year_of_two_digits_may_be_of_three_centuries() -> None:
    """Only after an apostrophe that opens it."""
    view, _, bounds = read("In '59, at 7'30, 62")
    assert list(two_digit_years(view, bounds)) == [(1, 1859), (1, 1959), (1, 2059)]
