"""What an answer says, as terms with their places, in plain words and in disguise. Knows no scores."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from verifiers.encodings import views
from verifiers.folding import View
from verifiers.numerals import numerals
from verifiers.protocol import Span
from verifiers.terms import stem
from verifiers.traces import FactIndex
from verifiers.words import COMMON

__all__ = ["Clauses", "Said", "Saying", "disclaims", "read_answer"]

_MISSPELT = 0.85
_CLAUSE_END = re.compile(r"[.!?](?=\s|$)|[\n;]| (?:but|however|although|though|yet) ")
_JOINT = re.compile(r"[^\w\s]{1,3}(?=\w)|_{1,3}|\s(?=\w\b)")
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
    for joined, first, last in _rejoined(view, words, bounds):
        yield stem(joined), first, last, 1.0
    unknown = [(at, word) for at, word in enumerate(words) if word not in COMMON]
    for at, word in enumerate(words):
        yield stem(word), at, at, 1.0
    for at, word in unknown:
        if word in index.disguised:
            yield index.disguised[word], at, at, 1.0
        elif view.kind != "digits for letters":
            for known in index.spellings[topic].near(word):
                yield stem(known), at, at, _MISSPELT


def _rejoined(view: View, words: list[str], bounds: list[tuple[int, int]]) -> Iterator[tuple[str, int, int]]:
    """Give words that were pulled apart: "S e l t a l", "Sel-tal", "S.e.l.t.a.l"."""
    seconds = {bisect_left(bounds, (joint.end(), 0)) for joint in _JOINT.finditer(view.text)}
    joined = sorted(at for at in seconds if 0 < at < len(words) and _continues(view, words, bounds, at))
    for _, run in groupby(enumerate(joined), key=lambda each: each[1] - each[0]):
        places = [at for _, at in run]
        yield "".join(words[places[0] - 1 : places[-1] + 1]), places[0] - 1, places[-1]


def _continues(view: View, words: list[str], bounds: list[tuple[int, int]], at: int) -> bool:
    """Say whether a word may be the next piece of the word before it."""
    gap = view.text[bounds[at - 1][1] : bounds[at][0]]
    if len(gap) > 3:
        return False
    return not any(map(str.isspace, gap)) or (len(words[at]) == 1 and len(words[at - 1]) == 1)
