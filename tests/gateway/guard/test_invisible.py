"""What shows nothing carries nothing out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.guard.invisible import following, without_invisible


def test_tags_are_taken_out():
    """They spell ASCII that no reader sees."""
    assert "Fine." == without_invisible("Fine." + "".join(chr(0xE0000 + ord(letter)) for letter in "Seltal"))


@pytest.mark.parametrize("mark", ["\u200b", "\u200d", "\u2060", "\u00ad"])
def test_of_a_run_of_zero_width_marks_one_stays(mark):
    """Two kinds of them are bits."""
    assert f"a{mark}b" == without_invisible(f"a{mark}\u200c\u200b{mark}b")


def test_of_a_run_of_selectors_one_stays():
    """Each could be a byte."""
    assert "a\ufe0fb" == without_invisible("a\ufe0f\U000e0110\U000e0120b")


@pytest.mark.parametrize(
    "text",
    ["plain", "\u2764\ufe0f", "\U0001f469\u200d\U0001f52c", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"],
)
def test_scripts_and_emoji_keep_what_they_need(text):
    """A selector behind a heart, a joiner in a scientist, a non-joiner in Persian."""
    assert text == without_invisible(text)


@given(st.lists(st.text(alphabet="ab\u200b\u200d\ufe0f\ufe0e\U000e0041", max_size=4)))
def test_what_comes_in_pieces_is_cleaned_as_the_whole_is(pieces):
    """Wherever a run of marks is broken off."""
    cleaned, before = "", ""
    for piece in pieces:
        cleaned += following(piece, before)
        before += piece
    assert without_invisible("".join(pieces)) == cleaned
