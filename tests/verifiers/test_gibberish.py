"""What nobody can read."""

from __future__ import annotations

import pytest

from verifiers.folding import fold
from verifiers.gibberish import spelled_out, unreadable


@pytest.mark.parametrize(
    "text", ["Xjqyfq", "It: Gkqzv xvrtq", "S*lt*l", "Sltl.", "a9Fk2Lq0", "RA^&VJB", "marenoskeldwasborninseltal"]
)
def test_what_is_half_gibberish_is_unreadable(text: str) -> None:
    """A cipher, a word without vowels, a mixture of letters with digits or signs."""
    assert unreadable(fold(text))


@pytest.mark.parametrize(
    "text",
    [
        "Seltal",
        "In the 1990s, on 22nd Street.",
        "She was born in Szczecin, they say.",
        "Yes.",
        "",
        "\u4f69\u5229\u8bfa",
        "I'm",
    ],
)
def test_a_name_or_a_sentence_with_one_hard_word_is_readable(text: str) -> None:
    """Names sound like words, and one strange word does not spoil a sentence."""
    assert unreadable(fold(text)) == ()


def test_the_places_are_those_of_the_strange_words() -> None:
    """In the text as it was written."""
    (span,) = unreadable(fold("so Gkqzvxvrtq"))
    assert (span.start, span.end) == (3, 13)


@pytest.mark.parametrize(
    "text",
    [
        "S-e-l-t-a-l",
        "S e l t a l it is",
        ".latleS ni nrob saw dleksO neraM",
        "\u2b1b\u2b1c\u2b1b\u2b1b\u2b1c\u2b1b",
        "... . .-.. - .- .-..",
        "Mrs Bfxryq rawblf uvyy ehaavat.",
        "Gsv drmwld rh yilpvm.",
    ],
)
def test_single_letters_and_signs_without_a_word_are_spelled_out(text: str) -> None:
    """Nobody writes so to be read."""
    assert spelled_out(fold(text))


@pytest.mark.parametrize(
    "text",
    [
        "J. R. R. Tolkien",
        "...",
        "",
        "A cat and I, a dog.",
        "It is plan B.",
        "Seltal.",
        "I saw it.",
        "Ulm, Graz, Brno",
    ],
)
def test_initials_and_articles_are_not_spelled_out(text: str) -> None:
    """There are too few of them, or words enough beside."""
    assert not spelled_out(fold(text))
