"""Terms: the content words of a text in a form in which two texts can be compared. Knows no topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

from verifiers.folding import View
from verifiers.numerals import numerals
from verifiers.words import COMMON, FUNCTION

__all__ = ["Term", "is_plain", "stem", "terms_of"]


@dataclass(frozen=True, slots=True)
class Term:
    """One content word, number or date.

    ``key`` compares; ``first`` and ``last`` are the places of its words; ``capital`` says that it is written
    with a capital though it need not be.
    """

    key: str
    first: int
    last: int
    capital: bool = False


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """Take the commonest endings off a folded English word: "works", "worked" and "working" are "work"."""
    if len(word) < 4 or not word.isascii():
        return word
    for ending, instead in (
        ("ies", "y"),
        ("ied", "y"),
        ("ing", ""),
        ("edly", ""),
        ("ed", ""),
        ("ly", ""),
        ("es", ""),
        ("s", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word[: -len(ending)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == "e" else word


_PLAIN = frozenset(stem(word) for word in COMMON)


def is_plain(key: str) -> bool:
    """Say whether a term's key is that of an ordinary word."""
    return key in _PLAIN


def terms_of(view: View, words: Sequence[str]) -> list[Term]:
    """Return the content words, numbers and dates of a view whose words are given, in order."""
    found: list[Term] = []
    taken: set[int] = set()
    for key, first, last in numerals(words):
        found.append(Term(key, first, last))
        taken.update(range(first, last + 1))
    bounds = view.bounds()
    for at, word in enumerate(words):
        if at in taken or word in FUNCTION or (len(word) == 1 and word.isascii()):
            continue
        start = bounds[at][0]
        capital = view.capital(start) and not _starts_sentence(view.text, start)
        found.append(Term(stem(word), at, at, capital))
    if taken:  # the numerals came first
        found.sort(key=attrgetter("first", "last"))
    return found


def _starts_sentence(text: str, at: int) -> bool:
    before = text[max(0, at - 12) : at].rstrip(" \t\"'([\u201c\u2018")
    return not before or before[-1] in ".!?:\n"
