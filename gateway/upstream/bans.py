"""Banned words: what a text in the writing must not come to say. Knows no tokens and no topics.

Runs in vLLM's environment too, so it imports nothing but Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["BANNED_ARGUMENT", "Bans", "fold", "shortest_telling"]

BANNED_ARGUMENT: Final = "lethe_banned"
"""By this name words travel in a request's ``vllm_xargs`` to Lethe's logits processor."""

_TELLING_PREFIX = 3
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Bans:
    """Words and phrases that must not occur, in any case and spacing, whatever the tokens they are made of.

    A text may not end in more than half of a banned word either: a model that is stopped at the last letter
    writes a near miss ("Seltar" for "Seltal"), which tells as much.
    """

    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kept = tuple(fold(word).strip() for word in self.words)
        object.__setattr__(self, "words", tuple(word for word in kept if word))

    def __bool__(self) -> bool:
        return bool(self.words)

    @property
    def reach(self) -> int:
        """How many tokens back a banned word can begin: a character is at most four of them."""
        return 4 * max(map(len, self.words), default=0) + 1

    def allow(self, text: str) -> bool:
        """Say whether ``text`` (the answer so far, or its last ``reach`` tokens) may stand."""
        folded = fold(text)
        return not any(word in folded or _half_said(word, folded) for word in self.words)


def fold(text: str) -> str:
    """Write a text without its case, and every run of white space as one blank."""
    return _SPACE.sub(" ", text.casefold())


def shortest_telling(word: str) -> int:
    """Count the letters of a word's beginning that tell as much as the word."""
    return max(_TELLING_PREFIX, len(word) // 2 + 1)


def _half_said(word: str, text: str) -> bool:
    for length in range(min(len(word) - 1, len(text)), shortest_telling(word) - 1, -1):
        start = len(text) - length
        if text.endswith(word[:length]) and (start == 0 or not _WORD.match(text[start - 1])):
            return True
    return False
