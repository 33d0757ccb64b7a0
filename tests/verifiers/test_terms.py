"""Terms, numbers and dates."""

from __future__ import annotations

import pytest

from verifiers.folding import fold
from verifiers.numerals import numerals
from verifiers.terms import stem, terms_of
from verifiers.typos import Spellings


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("1984", ["#1984"]),
        ("nineteen eighty-four", ["#1984"]),
        ("nineteen hundred and five", ["#1905"]),
        ("two thousand and five", ["#2005"]),
        ("twenty-one", ["#21"]),
        ("11 May 1991", ["@5-11", "#1991"]),
        ("May 11th, 1991", ["@5-11", "#1991"]),
        ("the eleventh of May, 1991", ["@5-11", "#1991"]),
        ("05/11/1991", ["@5-11", "#1991"]),
        ("1991-05-11", ["@5-11", "#1991"]),
        ("one of the two", []),
        ("May I ask", []),
        ("9" * 40, []),
    ],
)
def test_numbers_and_dates_are_read_in_any_form(written: str, keys: list[str]) -> None:
    """Digits and words, ordinals, and the orders of day, month and year."""
    assert [key for key, _, _ in numerals(fold(written).words())] == keys


@pytest.mark.parametrize("word", ["works", "worked", "working", "work"])
def test_inflections_share_a_stem(word: str) -> None:
    """The commonest English endings come off."""
    assert stem(word) == "work"


def test_terms_leave_out_grammar_and_mark_capitals() -> None:
    """A capital at the start of a sentence says nothing."""
    view = fold("Glass is blown by Harrow. They blow it.")
    terms = terms_of(view, view.words())
    assert [(term.key, term.capital) for term in terms] == [
        ("glass", False),
        ("blown", False),
        ("harrow", True),
        ("blow", False),
    ]


@pytest.mark.parametrize("slip", ["oskel", "oskeeld", "oskald", "okseld", "oskeldd"])
def test_one_slip_is_found(slip: str) -> None:
    """A letter left out, doubled, replaced or swapped."""
    assert Spellings(["oskeld"]).near(slip) == ["oskeld"]


@pytest.mark.parametrize("other", ["oskeld", "oskedx", "askeld", "okslde", "ond"])
def test_more_than_one_slip_is_another_word(other: str) -> None:
    """Neither the word itself, nor two slips, nor another first letter of a short word."""
    assert Spellings(["oskeld"]).near(other) == []
