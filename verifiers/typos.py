"""One-slip spellings: a deletion index over known words. Knows no topics and no scores."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz.distance import OSA

__all__ = ["SHORTEST", "Spellings"]

SHORTEST = 5
"""Shorter words are too easily one slip away from another word."""
_FIRST_LETTER_HOLDS_UP_TO = 6


class Spellings:
    """Finds the known words that are one insertion, deletion, replacement or swap away from a word."""

    __slots__ = ("_ends", "_known", "_starts")

    def __init__(self, words: Iterable[str]) -> None:
        self._known: dict[str, tuple[str, ...]] = {}
        self._starts: set[str] = set()
        self._ends: set[str] = set()
        for word in sorted(set(words)):
            if len(word) >= SHORTEST and word.isalpha():
                for form in {word, *_shortened(word)}:
                    self._known[form] = (*self._known.get(form, ()), word)
                for half in {_half(len(word) + slip) for slip in (-1, 0, 1)}:
                    self._starts.add(word[:half])
                    self._ends.add(word[-half:])

    def near(self, word: str) -> list[str]:
        """Return the known words one slip away; in a short word the first letter must hold."""
        half = _half(len(word))
        if len(word) < SHORTEST - 1 or not (word[:half] in self._starts or word[-half:] in self._ends):
            return []
        known = self._known
        forms = [word, *_shortened(word)]
        if known.keys().isdisjoint(forms):
            return []
        candidates = {each for form in forms for each in known.get(form, ())}
        return sorted(each for each in candidates if _one_slip(word, each))


def _half(length: int) -> int:
    """Return how many letters at one end or at the other a single slip leaves alone."""
    return (length - 1) // 2


def _shortened(word: str) -> list[str]:
    return [word[:at] + word[at + 1 :] for at in range(len(word))]


def _one_slip(word: str, known: str) -> bool:
    if len(known) <= _FIRST_LETTER_HOLDS_UP_TO and word[0] != known[0]:
        return False
    return OSA.distance(word, known, score_cutoff=1) == 1
