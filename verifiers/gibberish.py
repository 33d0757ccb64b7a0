"""Gibberish: texts that no reader of English can read as they stand, word by word or letter by letter."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from verifiers.folding import View
from verifiers.protocol import Span
from verifiers.words import COMMON, GIVEN_NAMES

__all__ = ["spelled_out", "spelled_words", "unreadable"]

_CHUNK = re.compile(r"\S+")
_LETTERS = re.compile(r"[a-z]+")
_VOWEL = re.compile(r"[aeiouy]")
_MIXED = re.compile(r"[a-z][0-9]+[a-z]|[0-9][a-z]+[0-9]|[a-z0-9][#$%&*+<=>@^`{|}~\\]+[a-z0-9]")
_SHORTEST, _MOST_STRANGE, _LEAST_SHARE = 4, 0.6, 0.5
_FEWEST_LETTERS = 6
_FEWEST_SHIFTED, _FEWEST_SHIFTED_LETTERS, _MOST_STRANGERS = 2, 7, 3
_LONGEST = 24
"""No word of English that is in use has so many letters; several run together have."""


def _pieces(word: str) -> list[str]:
    marked = f"^{word}$"
    return [marked[at : at + 3] for at in range(len(marked) - 2)]


_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_SHIFTS = (
    *(str.maketrans(_ALPHABET, _ALPHABET[by:] + _ALPHABET[:by]) for by in range(1, 26)),
    str.maketrans(_ALPHABET, _ALPHABET[::-1]),
)
_USUAL = frozenset(piece for word in COMMON | GIVEN_NAMES for piece in _pieces(word))


def unreadable(view: View) -> tuple[Span, ...]:
    """Return where a text is unreadable, if at least half of it is; else nothing.

    A word of four and more letters is unreadable without a vowel, mixed with digits or signs, where six tenths of
    its runs of three letters stand in no ordinary word, or with so many letters that it must be several words.
    """
    chunks = view.text.split()
    strange = {chunk for chunk in chunks if _is_strange(chunk)}
    if not strange or sum(len(chunk) for chunk in chunks if chunk in strange) < _LEAST_SHARE * sum(
        map(len, chunks)
    ):
        return ()
    return tuple(view.span(*chunk.span()) for chunk in _CHUNK.finditer(view.text) if chunk.group() in strange)


def spelled_out(view: View) -> bool:
    """Say whether a text is mostly letters that stand alone, has signs and not one word, or reads otherwise.

    Backwards, or with its letters shifted or mirrored in the alphabet.
    """
    words = view.words()
    if not words:
        return sum(not sign.isspace() for sign in view.text) >= _FEWEST_LETTERS
    return spelled_words(words)


def spelled_words(words: Sequence[str]) -> bool:
    """Say of folded words alone whether they are spelled out."""
    letters = sum(len(word) == 1 for word in words)
    if letters >= _FEWEST_LETTERS and letters >= _LEAST_SHARE * len(words):
        return True
    long = [word for word in words if len(word) > 2]
    plain = sum(word in COMMON for word in long)
    return sum(word[::-1] in COMMON for word in long) > plain or _reads_shifted(long, plain)


def _reads_shifted(words: Sequence[str], plain: int) -> bool:
    """Say whether one shift makes ordinary words of a third of them and more, and of more than are as they are."""
    least = max(_FEWEST_SHIFTED, plain + 1, len(words) / _MOST_STRANGERS)
    if len(words) < least:
        return False
    read: dict[int, list[int]] = defaultdict(list)
    for word in words:
        for shift in _shifts_to_common(word):
            read[shift].append(len(word))
    return any(len(found) >= least and sum(found) >= _FEWEST_SHIFTED_LETTERS for found in read.values())


@lru_cache(maxsize=16384)
def _shifts_to_common(word: str) -> tuple[int, ...]:
    """Name the shifts that make an ordinary word of it: hardly ever any. The words of a language come again."""
    return tuple(at for at, table in enumerate(_SHIFTS) if word.translate(table) in COMMON)


@lru_cache(maxsize=16384)
def _is_strange(chunk: str) -> bool:
    if not chunk.isascii() or len(chunk) < _SHORTEST:
        return False
    if _MIXED.search(chunk):
        return True
    return any(_is_strange_word(word) for word in _LETTERS.findall(chunk))


def _is_strange_word(word: str) -> bool:
    if len(word) < _SHORTEST or word in COMMON:
        return False
    if not _VOWEL.search(word) or len(word) >= _LONGEST:
        return True
    pieces = _pieces(word)
    return sum(piece not in _USUAL for piece in pieces) >= _MOST_STRANGE * len(pieces)
