"""Openings: the words of a text in which a name could begin unseen, or which could be a part of one.

Where there is none of them, no disguise has to be turned back. It leaves out only what finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from verifiers.disguises import EVERY_WORD, FEWEST_LETTERS, is_conspicuous, shape_of
from verifiers.dismissing import Dismissing
from verifiers.names import SHORTEST_SHIFTED, NameIndex
from verifiers.terms import is_plain, stem
from verifiers.typos import SHORTEST
from verifiers.words import COMMON

__all__ = ["Openings", "is_ordinary"]

_REMEMBERED: Final = 4096
_ORDINARY: Final = frozenset(word for word in COMMON if len(word) > 1)


def is_ordinary(word: str) -> bool:
    """Say whether a word is in use as it is, and so hides nothing."""
    return word in _ORDINARY


@dataclass(frozen=True, slots=True)
class _Opening:
    """What one word could be.

    ``part``: a part of a name, or nearly. ``alone``: a hidden name by itself, or a word that a disguise of some
    words only could have made. ``turns``: the disguises, each with the direction in which it is read, in which the
    word could be the beginning of a name; ``shifted`` says so for letter shifts.
    """

    part: bool = False
    alone: bool = False
    turns: tuple[tuple[Callable[[str], str], int], ...] = ()
    shifted: bool = False


_NONE: Final = _Opening()


class Openings:
    """Says of which words of a text something could come out that a plain look for whole names does not find.

    A hidden name covers whole words, so the first of them turned back is a name or the beginning of one, and with
    the next it still is.
    """

    __slots__ = ("_index", "_of", "_words")

    def __init__(self, index: NameIndex) -> None:
        self._index = index
        self._of = lru_cache(maxsize=_REMEMBERED)(self._opening)
        self._words = Dismissing(lambda word: self._opening(word) != _NONE, beforehand=_ORDINARY)

    def left(self, vocabulary: Set[str]) -> Set[str]:
        """Return the words of a text that need a closer look."""
        return self._words.left(vocabulary)

    def part_among(self, left: Set[str]) -> bool:
        """Say whether any of them could be a part of a name, exact or misspelt."""
        return any(self._of(word).part for word in left)

    def hidden_among(self, words: Sequence[str], left: Set[str]) -> bool:
        """Say whether a disguised name could begin at one of them, where it stands among the ``words``."""
        for at in [at for at, word in enumerate(words) if word in left]:
            opening = self._of(words[at])
            if opening.alone or self._goes_on(opening, words, at):
                return True
        return False

    def _goes_on(self, opening: _Opening, words: Sequence[str], at: int) -> bool:
        before, after = _strange(words, at - 1), _strange(words, at + 1)
        if not before and not after:
            return False
        for turn, direction in opening.turns:
            beside = after if direction > 0 else before
            if beside and self._begins_a_name(turn(words[at]) + turn(beside)):
                return True
        return bool(after) and opening.shifted and self._begins_a_shape((words[at] + after)[:SHORTEST_SHIFTED])

    def _opening(self, word: str) -> _Opening:
        if is_ordinary(word):
            return _NONE
        turns = tuple((turn, direction) for turn, direction in EVERY_WORD if self._begins_a_name(turn(word)))
        alone = is_conspicuous(word) or any(self._is_name(turn(word)) for turn, _ in turns)
        shifted = self._begins_a_shape(word)
        part = self._is_part(word)
        if not (turns or alone or shifted or part):
            return _NONE
        return _Opening(part, alone or (shifted and self._is_shape(word)), turns, shifted)

    def _begins_a_name(self, form: str) -> bool:
        return self._index.phrases is not None and bool(self._index.phrases.match(form))

    def _is_name(self, form: str) -> bool:
        return self._index.phrases is not None and len(form) >= FEWEST_LETTERS and form in self._index.phrases

    def _begins_a_shape(self, form: str) -> bool:
        return self._index.shapes is not None and bool(self._index.shapes.match(shape_of(form)))

    def _is_shape(self, form: str) -> bool:
        return self._index.shapes is not None and shape_of(form) in self._index.shapes

    def _is_part(self, word: str) -> bool:
        if word in self._index.parts:
            return True
        return len(word) >= SHORTEST - 1 and not is_plain(stem(word)) and bool(self._index.spellings.near(word))


def _strange(words: Sequence[str], at: int) -> str:
    """Give the word at a place if a hidden name could have it."""
    return words[at] if 0 <= at < len(words) and not is_ordinary(words[at]) else ""
