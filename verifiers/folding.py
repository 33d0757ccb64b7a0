"""Folding: one text with case, accents, look-alikes and invisible characters gone. Knows no topics.

Every folded text is a `View`, which leads each of its characters back to the original text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set
from dataclasses import dataclass, field
from functools import lru_cache

from anyascii import anyascii

from verifiers.lookalikes import LOOKALIKES
from verifiers.protocol import Span

__all__ = ["View", "fold", "fold_words", "phonetic", "squeeze"]

_ASCII_WORD = re.compile(r"[a-z0-9]+")
_APART = bytes(code if chr(code).islower() or chr(code).isdecimal() else 32 for code in range(128)) + bytes(128)
"""What does not belong to a folded ASCII word, as a space."""
# Scripts written without spaces (Thai to Khmer, kana, ideographs): each character is a word of its own.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[^\W_{_UNSPACED}]+|[{_UNSPACED}]")
_REMEMBERED = 32
# Letters and fillers that show nothing, though Unicode does not call them format characters.
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


@dataclass(frozen=True, slots=True)
class View:
    """A way to read a text.

    ``raw`` is the text as this way reads it, case kept; ``text`` is ``raw`` folded. ``raw_at[i]`` is the
    position in ``raw`` of ``text[i]``; ``origins[k]`` the (start, end) in the original text of ``raw[k]``;
    None stands for the identity in both. ``kind`` is the reading in words, for evidence; "" is the plain one.
    """

    kind: str
    raw: str
    text: str
    raw_at: list[int] | None = None
    origins: list[tuple[int, int]] | None = None
    _words: list[str] = field(default_factory=list, init=False, compare=False, repr=False)
    _bounds: list[tuple[int, int]] = field(default_factory=list, init=False, compare=False, repr=False)
    _vocabulary: set[str] = field(default_factory=set, init=False, compare=False, repr=False)

    def words(self) -> list[str]:
        """Return the folded words in order. Found once; not to be changed."""
        if not self._words:
            ascii_only = self.text.isascii()  # cut in C there: the same words at a fifth of the cost
            self._words[:] = _ascii_words(self.text) if ascii_only else _WORD.findall(self.text)
        return self._words

    def vocabulary(self) -> Set[str]:
        """Return the different words. Found once; not to be changed."""
        if not self._vocabulary:
            self._vocabulary.update(self.words())
        return self._vocabulary

    def bounds(self) -> list[tuple[int, int]]:
        """Return where in ``text`` each of the words stands. Found once; not to be changed."""
        if not self._bounds:
            pattern = _ASCII_WORD if self.text.isascii() else _WORD
            self._bounds[:] = [found.span() for found in pattern.finditer(self.text)]
        return self._bounds

    def capital(self, at: int) -> bool:
        """Say whether the character behind ``text[at]`` was a capital letter."""
        return self.raw[at if self.raw_at is None else self.raw_at[at]].isupper()

    def part(self, start: int, end: int) -> View:
        """Return the view of ``text[start:end]`` alone, for looking at its words; it leads nowhere back."""
        if self.raw_at is None:
            return View(self.kind, self.raw[start:end], self.text[start:end])
        return View(self.kind, "".join(self.raw[at] for at in self.raw_at[start:end]), self.text[start:end])

    def span(self, start: int, end: int) -> Span:
        """Lead ``text[start:end]``, not empty, back to the original."""
        first, last = start, end - 1
        if self.raw_at is not None:
            first, last = self.raw_at[first], self.raw_at[last]
        if self.origins is None:
            return Span(first, last + 1)
        return Span(
            min(self.origins[k][0] for k in range(first, last + 1)),
            max(self.origins[k][1] for k in range(first, last + 1)),
        )


def fold(raw: str, kind: str = "", origins: list[tuple[int, int]] | None = None) -> View:
    """Fold a text: compatibility forms, case, accents, look-alikes; invisible characters are removed."""
    return _fold(raw, kind, origins) if kind or origins else _fold_plain(raw)


@lru_cache(maxsize=_REMEMBERED)
def _fold_plain(raw: str) -> View:
    return _fold(raw, "", None)


def _fold(raw: str, kind: str, origins: list[tuple[int, int]] | None) -> View:
    if raw.isascii():
        return View(kind, raw, raw.lower(), None, origins)
    text, raw_at = _joined([_folded(character) for character in raw])
    return View(kind, raw, text, raw_at, origins)


def phonetic(raw: str) -> View:
    """Read a text by sound instead of looks: every script transliterated to Latin letters."""
    text, raw_at = _joined([_sound(character) for character in raw])
    return View("transliterated", raw, text, raw_at)


def fold_words(text: str) -> list[str]:
    """Return the folded words of a text, when their places do not matter."""
    return fold(text).words()


def squeeze(text: str) -> str:
    """Return the folded words of a text run together."""
    return "".join(fold_words(text))


def _ascii_words(text: str) -> list[str]:
    return text.encode("ascii").translate(_APART).decode("ascii").split()


def _joined(pieces: list[str]) -> tuple[str, list[int] | None]:
    text = "".join(pieces)
    if len(text) == len(pieces) and all(pieces):
        return text, None
    return text, [at for at, piece in enumerate(pieces) for _ in piece]


@lru_cache(maxsize=8192)
def _folded(character: str) -> str:
    return "".join(_folded_part(part) for part in unicodedata.normalize("NFKD", character))


def _folded_part(part: str) -> str:
    if part in _BLANKS or unicodedata.category(part) in ("Mn", "Me", "Cf"):
        return ""
    latin = LOOKALIKES.get(part)
    if latin is not None:
        return latin
    return "".join(LOOKALIKES.get(letter, letter) for letter in part.casefold())


@lru_cache(maxsize=8192)
def _sound(character: str) -> str:
    if character.isascii():
        return character.lower()
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return ""
    return anyascii(character).lower()
