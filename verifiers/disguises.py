"""Disguises: words written so that a reader can turn them back without a key. Knows no topics.

Turning the text back once costs less than indexing every name in every disguise.
"""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from verifiers.words import COMMON

__all__ = [
    "EVERY_WORD",
    "FEWEST_LETTERS",
    "HiddenWords",
    "TurnedBack",
    "is_conspicuous",
    "shape_of",
    "turned_back",
    "without_vowels",
]

FEWEST_LETTERS = 5
"""Shorter words come out of a disguise by chance."""

_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_ATBASH = str.maketrans(_ALPHABET, _ALPHABET[::-1])
_ROT13 = str.maketrans(_ALPHABET, codecs.encode(_ALPHABET, "rot13"))
_VOWELS = frozenset("aeiou")
_PIG_LATIN = re.compile(r"(?:[aeiou][a-z]*?)([bcdfghjklmnpqrstvwxyz]{1,4})ay\b")
_LETTERS = re.compile(r"[a-z]+")
_STEPS = {one + other: chr(97 + (ord(other) - ord(one)) % 26) for one in _ALPHABET for other in _ALPHABET}
_SHORT_TEXT, _REMEMBERED, _CONSONANTS_MOVED, _SHORTEST_DOUBLED = 64, 16384, (1, 2, 3), 3


@dataclass(frozen=True, slots=True)
class TurnedBack:
    """The words of a text as one disguise would have hidden them; ``reversed``: the last of the text first.

    ``whole`` says that the disguise goes over a text as one, not word by word.
    """

    how: str
    words: list[str]
    whole: bool
    reversed: bool = False


def turned_back(words: Sequence[str]) -> Iterator[TurnedBack]:
    """Give the words turned back from every disguise in which one of them could be: letter shifts apart."""
    if not words:
        return
    text = "\n".join(words)
    backwards = text[::-1].split("\n")
    yield TurnedBack("written backwards", backwards, True, reversed=True)
    yield TurnedBack("written backwards", backwards[::-1], False)
    yield TurnedBack("in rot13", text.translate(_ROT13).split("\n"), True)
    yield TurnedBack("in atbash", text.translate(_ATBASH).split("\n"), True)
    yield TurnedBack("with letters swapped in pairs", [_swapped(word) for word in words], False)
    if any(map(_is_doubled, words)):
        yield TurnedBack("with letters doubled", [_undoubled(word) for word in words], False)
    if any(map(_may_be_pig_latin, words)):
        for most in _CONSONANTS_MOVED:
            yield TurnedBack("in pig Latin", [_from_pig_latin(word, most) for word in words], False)


def is_conspicuous(word: str) -> bool:
    """Say whether a text with this word is turned back from a disguise that is not looked for in every text."""
    return _is_doubled(word) or _may_be_pig_latin(word)


def _is_doubled(word: str) -> bool:
    return len(word) > _SHORTEST_DOUBLED and word[::2] == word[1::2]


def _may_be_pig_latin(word: str) -> bool:
    return word.endswith("ay") and word not in COMMON


def shape_of(text: str) -> str:
    """Return what all shifts of a text through the alphabet have in common, its steps from letter to letter.

    One sign for each two neighbours; "-" where one of them is not in a to z.
    """
    if len(text) < _SHORT_TEXT:
        return "".join([_STEPS.get(one + other, "-") for one, other in pairwise(text)])
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.int64) - ord("a")
    letters = (codes >= 0) & (codes < 26)
    steps = (codes[1:] - codes[:-1]) % 26 + ord("a")
    steps[~(letters[1:] & letters[:-1])] = ord("-")
    return steps.astype(np.uint8).tobytes().decode("ascii")


def without_vowels(word: str) -> str:
    """Return the consonants of a folded word if it has four and more and a vowel, or ""."""
    rest = "".join(letter for letter in word if letter not in _VOWELS)
    return rest if 4 <= len(rest) < len(word) else ""


class HiddenWords:
    """Finds which known words a word may hide: shifted, without vowels, or in one of the disguises above.

    ``within(word)`` returns them; nothing for an ordinary or a known word. It remembers the last few thousand.
    """

    __slots__ = ("_bare", "_known", "_shapes", "within")

    def __init__(self, words: Iterable[str]) -> None:
        self._known = frozenset(words)
        self._bare: dict[str, list[str]] = defaultdict(list)
        self._shapes: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self._known):
            bare = without_vowels(word)
            if bare:
                self._bare[bare].append(word)
            if len(word) >= FEWEST_LETTERS and _LETTERS.fullmatch(word):
                self._shapes[shape_of(word)].append(word)
        self.within = lru_cache(maxsize=_REMEMBERED)(self._within)

    def _within(self, word: str) -> tuple[str, ...]:
        if word in COMMON or word in self._known:
            return ()
        found = dict.fromkeys(self._bare.get(word, ()))
        if len(word) >= FEWEST_LETTERS:
            if _LETTERS.fullmatch(word):
                found |= dict.fromkeys(self._shapes.get(shape_of(word), ()))
            plain = (form for form in _plain_forms(word) if len(form) >= FEWEST_LETTERS)
            found |= dict.fromkeys(form for form in plain if form in self._known)
        return tuple(found)


def _plain_forms(word: str) -> Iterator[str]:
    """Give what one word may hide, shifts and missing vowels apart."""
    yield from (word[::-1], word.translate(_ATBASH), _swapped(word), _undoubled(word))
    if word.endswith("ay"):
        yield from (_from_pig_latin(word, most) for most in _CONSONANTS_MOVED)


@lru_cache(maxsize=_REMEMBERED)
def _swapped(word: str) -> str:
    return "".join([word[at : at + 2][::-1] for at in range(0, len(word), 2)])


def _undoubled(word: str) -> str:
    return word[::2] if len(word) >= 2 and word[::2] == word[1::2] else word


def _from_pig_latin(word: str, most: int) -> str:
    """Move up to ``most`` consonants before the final "ay" back to the front."""
    found = _PIG_LATIN.fullmatch(word)
    if found is None or word in COMMON or len(found.group(1)) < most:
        return word
    body = word[:-2]
    return body[-most:] + body[:-most]


def _backwards(word: str) -> str:
    return word[::-1]


def _from_rot13(word: str) -> str:
    return word.translate(_ROT13)


def _from_atbash(word: str) -> str:
    return word.translate(_ATBASH)


EVERY_WORD: tuple[tuple[Callable[[str], str], int], ...] = (
    (_backwards, -1),
    (_backwards, 1),
    (_from_rot13, 1),
    (_from_atbash, 1),
    (_swapped, 1),
)
"""How every text is turned back, word by word: each with the direction in which its words are read then."""
