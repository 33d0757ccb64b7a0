"""Words that need no closer look, found out once for each word. Knows neither topics nor what is looked for."""

from __future__ import annotations

from collections.abc import Callable, Set
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

    __slots__ = ("_beforehand", "_dismissed", "_kept", "_matters")

    def __init__(self, matters: Callable[[str], bool], beforehand: Set[str] = frozenset()) -> None:
        self._matters = matters
        self._beforehand = beforehand
        self._dismissed = set(beforehand)
        self._kept: set[str] = set()

    def left(self, words: Set[str]) -> Set[str]:
        """Return those of the words that matter."""
        rest = words - self._dismissed
        return {word for word in rest if word in self._kept or self._is_left(word)} if rest else rest

    def _is_left(self, word: str) -> bool:
        matters = self._matters(word)
        if len(word) <= _LONGEST:
            if len(self._dismissed) + len(self._kept) >= _MOST:
                self._dismissed, self._kept = set(self._beforehand), set()
            (self._kept if matters else self._dismissed).add(word)
        return matters
