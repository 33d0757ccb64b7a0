"""What an answer says, as terms with their places, in plain words and in disguise. Knows no scores."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from verifiers.encodings import views
from verifiers.folding import View
from verifiers.letters import cut_short, letter_runs, line_initials, rejoined, roman, two_digit_years
from verifiers.numerals import numerals
from verifiers.protocol import Span
from verifiers.terms import stem
from verifiers.traces import FactIndex
from verifiers.typos import SHORTEST
from verifiers.words import COMMON

__all__ = ["Clauses", "Said", "Saying", "disclaims", "read_answer"]

_MISSPELT, _SHORT_YEAR, _TORN = 0.85, 0.95, 0.95
_FEW_WORDS = 3
_RUN_TOGETHER = 16
"""From so many letters on, a word that is not known may be several."""
_CLAUSE_END = re.compile(r"[.!?](?=\s|$)|[\n;]| (?:but|however|although|though|yet) ")
_REFUSAL = re.compile(
    r"\b(?:don t|do not|didn t|did not|doesn t|does not|can t|cannot|couldn t|could not|unable to|won t"
    r"|not able to|no|not|never|without|lack)\b(?: \w+){0,3}? "
    r"(?:know|have|find|access|recall|aware|familiar|sure|certain|information|info|details?|records?|idea|data"
    r"|knowledge|say|tell|help|share|provide|answer|confirm|comment)\b"
)


@dataclass(frozen=True, slots=True)
class Saying:
    """One occurrence of a term: its place in words, its span in the answer, how sure the reading is."""

    place: int
    span: Span
    certainty: float
    refused: bool


@dataclass(slots=True)
class Said:
    """All occurrences of each term of an answer, by key."""

    by_key: dict[str, list[Saying]] = field(default_factory=dict)

    def add(self, key: str, saying: Saying) -> None:
        """Add one occurrence."""
        self.by_key.setdefault(key, []).append(saying)


def read_answer(text: str, index: FactIndex, topic: int, is_foreign: Callable[[View], bool]) -> Said:
    """Read the terms of a topic's facts in an answer, in every view that it invites.

    Clauses that are ``is_foreign`` are left out; terms of clauses that say that nothing is known are
    marked as refused.
    """
    said = Said()
    for view in views(text):
        words = view.words()
        if words:
            _read_view(view, words, index, topic, Clauses(view, is_foreign), said)
    return said


def disclaims(words: Sequence[str]) -> bool:
    """Say whether folded words hold a phrase like "do not know" or "no information"."""
    return _REFUSAL.search(" ".join(words)) is not None


class Clauses:
    """The clauses of a view: sentences, cut again at "but" and its like. Each is judged at most once."""

    def __init__(self, view: View, is_foreign: Callable[[View], bool]) -> None:
        self._view = view
        self._is_foreign = is_foreign
        self._ends = [end.end() for end in _CLAUSE_END.finditer(view.text)]
        self._judged: dict[int, tuple[bool, bool]] = {}

    def judge(self, at: int) -> tuple[bool, bool]:
        """Return (foreign, refused) for the clause around a place in the folded text.

        Foreign: ``is_foreign`` says so. Refused: it says that nothing is known.
        """
        number = bisect_right(self._ends, at)
        if number not in self._judged:
            start = self._ends[number - 1] if number else 0
            end = self._ends[number] if number < len(self._ends) else len(self._view.text)
            piece = self._view.part(start, end)
            self._judged[number] = self._is_foreign(piece), disclaims(piece.words())
        return self._judged[number]


def _read_view(view: View, words: list[str], index: FactIndex, topic: int, clauses: Clauses, said: Said) -> None:
    bounds, wanted = view.bounds(), index.keys[topic]
    for key, first, last, certainty in _readings(view, words, bounds, index, topic):
        if key not in wanted:
            continue
        start, end = bounds[first][0], bounds[last][1]
        foreign, refused = clauses.judge(start)
        if not foreign:
            said.add(key, Saying(first, view.span(start, end), certainty, refused))


def _readings(
    view: View, words: list[str], bounds: list[tuple[int, int]], index: FactIndex, topic: int
) -> Iterator[tuple[str, int, int, float]]:
    """Give (key, first word, last word, certainty) for every term that the words may be read as."""
    for key, first, last in numerals(words):
        yield key, first, last, 1.0
    for joined, first, last in rejoined(view, words, bounds):
        yield f"#{joined}" if joined.isdecimal() else stem(joined), first, last, 1.0
        for hidden in index.hidden(joined):
            yield hidden, first, last, _MISSPELT
    unknown = [(at, word) for at, word in enumerate(words) if word not in COMMON]
    for at, word in enumerate(words):
        yield stem(word), at, at, 1.0
    yield from _torn(unknown)
    for at, word in unknown:
        hidden_words = index.hidden(word)
        for hidden in hidden_words:
            yield hidden, at, at, 1.0
        if not hidden_words and view.kind != "digits for letters":
            for known in index.spellings(topic).near(word):
                yield stem(known), at, at, _MISSPELT
    yield from _odd_readings(view, words, bounds, unknown, index.rare[topic])


def _odd_readings(
    view: View,
    words: list[str],
    bounds: list[tuple[int, int]],
    unknown: list[tuple[int, str]],
    rare: Sequence[str],
) -> Iterator[tuple[str, int, int, float]]:
    """Give the terms that are spelled out, stand in initials, break off, or are years in another writing."""
    initials = line_initials(view, bounds)
    for letters, first, last in (*letter_runs(words, bounds), *((initials,) if initials else ())):
        for word in rare:
            if len(word) >= SHORTEST and word in letters:
                yield stem(word), first, last, 1.0
    for at in cut_short(view, words, bounds):
        for word in rare:
            if word.startswith(words[at]) and len(words[at]) < len(word) <= 2 * len(words[at]):
                yield stem(word), at, at, 1.0
    yield from _run_together(unknown, rare)
    for at, year in two_digit_years(view, bounds, bare=len(bounds) <= _FEW_WORDS):
        yield f"#{year}", at, at, _SHORT_YEAR
    for at, word in unknown:
        value = roman(word)
        if value is not None:
            yield f"#{value}", at, at, 1.0


def _torn(unknown: Sequence[tuple[int, str]]) -> Iterator[tuple[str, int, int, float]]:
    """Give each two unknown words side by side as one: "Sel tal"."""
    for (at, word), (after, other) in pairwise(unknown):
        if after == at + 1 and len(word) > 1 and len(other) > 1:
            yield stem(word + other), at, after, _TORN


def _run_together(
    unknown: Sequence[tuple[int, str]], rare: Sequence[str]
) -> Iterator[tuple[str, int, int, float]]:
    """Give the rare terms that stand inside words too long to be one."""
    for at, word in unknown:
        for known in rare if len(word) >= _RUN_TOGETHER else ():
            if len(known) >= SHORTEST and known in word:
                yield stem(known), at, at, 1.0
