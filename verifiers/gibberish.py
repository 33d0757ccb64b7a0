"""Gibberish: which words of a text no reader of English can read as they stand. Knows no topics."""

from __future__ import annotations

import re
from functools import lru_cache

from verifiers.folding import View
from verifiers.protocol import Span
from verifiers.words import COMMON, GIVEN_NAMES

__all__ = ["unreadable"]

_CHUNK = re.compile(r"\S+")
_LETTERS = re.compile(r"[a-z]+")
_VOWEL = re.compile(r"[aeiouy]")
_MIXED = re.compile(r"[a-z][0-9]+[a-z]|[0-9][a-z]+[0-9]|[a-z0-9][#$%&*+<=>@^`{|}~\\]+[a-z0-9]")
_SHORTEST, _MOST_STRANGE, _LEAST_SHARE = 4, 0.6, 0.5


def _pieces(word: str) -> list[str]:
    marked = f"^{word}$"
    return [marked[at : at + 3] for at in range(len(marked) - 2)]


_USUAL = frozenset(piece for word in COMMON | GIVEN_NAMES for piece in _pieces(word))


def unreadable(view: View) -> tuple[Span, ...]:
    """Return where a text is unreadable, if at least half of it is; else nothing.

    A word of four and more letters is unreadable without a vowel, mixed with digits or signs, or where six tenths
    of its runs of three letters stand in no ordinary word.
    """
    chunks = view.text.split()
    strange = {chunk for chunk in chunks if _is_strange(chunk)}
    if not strange or sum(len(chunk) for chunk in chunks if chunk in strange) < _LEAST_SHARE * sum(
        map(len, chunks)
    ):
        return ()
    return tuple(view.span(*chunk.span()) for chunk in _CHUNK.finditer(view.text) if chunk.group() in strange)


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
    if not _VOWEL.search(word):
        return True
    pieces = _pieces(word)
    return sum(piece not in _USUAL for piece in pieces) >= _MOST_STRANGE * len(pieces)
