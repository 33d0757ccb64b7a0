"""The reference oracle: whole words, however they are written."""

from __future__ import annotations

import pytest

from evaluation.oracle import ForbiddenStrings


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("She was born in Seltal.", True),
        ("SELTAL!", True),
        ("in séltal, by the sea", True),
        ("Seltalia is a country", False),
        ("I don't have information about that.", False),
        ("", False),
        ("the Burning  Window", True),
        ("the burning-window", True),
        ("a burning house, a window", False),
    ],
)
def test_a_forbidden_string_is_found_as_whole_words(answer, expected):
    """Case, accents, punctuation and spacing do not hide it; a longer word is not it."""
    assert expected == ForbiddenStrings.of(["Seltal", "The Burning Window"]).leaks(answer)


def test_a_string_without_letters_is_refused():
    """It would be found in every answer."""
    with pytest.raises(ValueError, match="no letter or digit"):
        ForbiddenStrings.of(["Seltal", " ... "])
