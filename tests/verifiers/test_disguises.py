"""Disguises: every one is turned back, and a text that has none costs nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.disguises import HiddenWords, shape_of, turned_back, without_vowels

WORDS = st.lists(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=9), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("how", "hidden"),
    [
        ("written backwards", "neram"),
        ("in rot13", "znera"),
        ("in atbash", "nzivm"),
        ("with letters doubled", "mmaarreenn"),
        ("with letters swapped in pairs", "amern"),
        ("in pig Latin", "arenmay"),
    ],
)
def test_a_disguise_is_turned_back(how: str, hidden: str) -> None:
    """Among the readings of the hidden word is the word, under the disguise's name."""
    found = {(turned.how, turned.words[0]) for turned in turned_back([hidden])}
    assert (how, "maren") in found
    assert HiddenWords(["maren"]).within(hidden) == ("maren",)


@pytest.mark.parametrize("letters", [1, 2, 3])
def test_pig_latin_moves_up_to_three_consonants(letters: int) -> None:
    """All that stand before the first vowel."""
    word = "strond"
    assert HiddenWords([word]).within("ondstray" if letters == 3 else f"{word[letters:]}{word[:letters]}ay") == (
        (word,) if letters == 3 else ()
    )


def test_words_hide_shifted_and_without_vowels_too() -> None:
    """In any shift; short words, ordinary words and known words hide nothing."""
    hidden = HiddenWords(["seltal", "ashe", "harrow"])
    assert hidden.within("vhowdo") == ("seltal",)
    assert HiddenWords(["maren"]).within("mrn") == ()
    assert hidden.within("sltl") == ("seltal",)
    assert [hidden.within(word) for word in ("ehsa", "dvkh", "seltal", "river")] == [(), (), (), ()]


def test_backwards_text_is_read_word_by_word_and_as_a_whole() -> None:
    """As a whole, the last word comes first."""
    turned = [(each.words, each.reversed) for each in turned_back(["neram", "dlekso"])][:2]
    assert turned == [(["oskeld", "maren"], True), (["maren", "oskeld"], False)]


@given(WORDS)
def test_every_reading_has_as_many_words_as_the_text(words: list[str]) -> None:
    """So that a place in a reading is a place in the text."""
    assert {len(words)} == {len(turned.words) for turned in turned_back(words)}


@given(st.text("abcxyz1é", max_size=90), st.integers(0, 25))
def test_a_shape_is_the_same_for_every_shift_of_the_letters(text: str, shift: int) -> None:
    """And marks where there is no letter; short and long texts are treated alike."""
    moved = "".join(chr((ord(c) - 97 + shift) % 26 + 97) if "a" <= c <= "z" else c for c in text)
    assert shape_of(text) == shape_of(moved)
    assert shape_of(text + "b" * 90)[: max(0, len(text) - 1)] == shape_of(text)


def test_a_word_keeps_its_consonants() -> None:
    """From four on, and only where a vowel is gone."""
    assert ["sltl", "", ""] == [without_vowels(word) for word in ("seltal", "area", "rhythm")]
