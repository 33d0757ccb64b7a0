"""Words that need no closer look, found out once for each word. Knows neither topics nor what is looked for."""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import lru_cache
from typing import Final

__all__ = ["Dismissing"]

_MOST: Final = 65_536
_LONGEST: Final = 32
"""Longer words are rarely met again."""


class Dismissing:
    """Sorts words by whether they ``matter``, which must depend on the word alone.

    The words of a language are few, so after a while nearly all of a text are known not to matter, and a text
    costs one difference of two sets. ``beforehand`` are words that are known not to. Safe between threads.
    """

    __slots__ = ("_beforehand", "_dismissed", "_matters", "_remembered")

    def __init__(self, matters: Callable[[str], bool], beforehand: Set[str] = frozenset()) -> None:
        self._matters = matters
        self._remembered = lru_cache(maxsize=4096)(matters)
        self._beforehand = beforehand
        self._dismissed = set(beforehand)

    def left(self, words: Set[str]) -> Set[str]:
        """Return those of the words that matter."""
        rest = words - self._dismissed
        return frozenset(word for word in rest if self._is_left(word)) if rest else rest

    def _is_left(self, word: str) -> bool:
        if len(word) > _LONGEST:
            return self._matters(word)
        if self._remembered(word):
            return True
        if len(self._dismissed) >= _MOST:
            self._dismissed = set(self._beforehand)
        self._dismissed.add(word)
        return False
