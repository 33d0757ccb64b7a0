"""What an answer says, as terms with their places, in plain words and in disguise. Knows no scores."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from verifiers.encodings import views
from verifiers.folding import View
from verifiers.protocol import Span
from verifiers.terms import stem, terms_of
from verifiers.traces import FactIndex
from verifiers.typos import SHORTEST
from verifiers.words import COMMON

__all__ = ["Clauses", "Said", "Saying", "disclaims", "read_answer"]

_MISSPELT = 0.85
_CLAUSE_END = re.compile(r"[.!?](?=\s|$)|[\n;]|\b(?:but|however|although|though|yet)\b")
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


def read_answer(text: str, index: FactIndex, is_foreign: Callable[[View], bool]) -> Said:
    """Read an answer in every view that it invites.

    Clauses that are ``is_foreign`` are left out; terms of clauses that say that nothing is known are
    marked as refused.
    """
    said = Said()
    for view in views(text):
        words = view.words()
        if words:
            _read_view(view, words, index, Clauses(view, is_foreign), said)
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


def _read_view(view: View, words: list[str], index: FactIndex, clauses: Clauses, said: Said) -> None:
    bounds = view.bounds()
    for key, first, last, certainty in _readings(view, words, bounds, index):
        start, end = bounds[first][0], bounds[last][1]
        foreign, refused = clauses.judge(start)
        if not foreign:
            said.add(key, Saying(first, view.span(start, end), certainty, refused))


def _readings(
    view: View, words: list[str], bounds: list[tuple[int, int]], index: FactIndex
) -> Iterator[tuple[str, int, int, float]]:
    """Give (key, first word, last word, certainty) for every term that the words may be read as."""
    for term in terms_of(view, words):
        yield term.key, term.first, term.last, 1.0
    for joined, first, last in _rejoined(view, words, bounds):
        yield stem(joined), first, last, 1.0
    for at, word in enumerate(words):
        if word in index.disguised:
            yield index.disguised[word], at, at, 1.0
        elif len(word) >= SHORTEST - 1 and word not in COMMON and view.kind != "digits for letters":
            for known in index.spellings.near(word):
                yield stem(known), at, at, _MISSPELT


def _rejoined(view: View, words: list[str], bounds: list[tuple[int, int]]) -> Iterator[tuple[str, int, int]]:
    """Give words that were pulled apart: "S e l t a l", "Sel-tal", "S.e.l.t.a.l"."""
    first = 0
    for at in range(1, len(words) + 1):
        if at < len(words) and _continues(view, words, bounds, at):
            continue
        if at - first > 1:
            yield "".join(words[first:at]), first, at - 1
        first = at


def _continues(view: View, words: list[str], bounds: list[tuple[int, int]], at: int) -> bool:
    gap = view.text[bounds[at - 1][1] : bounds[at][0]]
    if len(gap) > 3:
        return False
    return not any(map(str.isspace, gap)) or (len(words[at]) == 1 and len(words[at - 1]) == 1)
