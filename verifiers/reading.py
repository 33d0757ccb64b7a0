"""A reading: one view of a text as words in their places, and which of them stand in a name. Knows no topics."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifiers.folding import View
from verifiers.letters import LONGEST_GAP
from verifiers.protocol import Span
from verifiers.words import COMMON, TITLES

__all__ = ["Mention", "Reading", "fits_initial", "is_name_beside", "mention"]

_HIDDEN = 0.95
_MOST_MIDDLE_NAMES = 2


@dataclass(frozen=True, slots=True)
class Mention:
    """One place where a topic is named.

    ``strength`` in [0, 1] is how surely it is this topic: 1 for a whole name; ``words`` are the words of the
    name that stand there, folded; ``how`` says in words what was seen; ``span`` is in the original text.
    """

    topic: int
    strength: float
    how: str
    span: Span
    words: frozenset[str]


@dataclass(slots=True)
class Reading:
    """One view of a text with its words; where they stand is found out on demand."""

    view: View
    words: list[str]
    _bounds: list[tuple[int, int]] = field(default_factory=list)

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """Where in the view's text each word stands."""
        if not self._bounds:
            self._bounds = self.view.bounds()
        return self._bounds

    def gap(self, at: int) -> str:
        """Return what stands between word ``at`` and the next."""
        return self.view.text[self.bounds[at][1] : self.bounds[at + 1][0]]

    def span(self, first: int, last: int) -> Span:
        """Return where in the original the words from ``first`` to ``last`` stand."""
        return self.view.span(self.bounds[first][0], self.bounds[last][1])

    def capital(self, at: int) -> bool:
        """Say whether word ``at`` begins with a capital."""
        return self.view.capital(self.bounds[at][0])


def mention(
    reading: Reading,
    topic: int,
    strength: float,
    how: str,
    span: Span,
    words: frozenset[str],
    *,
    sure: bool = False,
) -> Mention:
    """Make a mention; one that stands in a hidden text counts a little less, a ``sure`` one once at most."""
    if reading.view.kind:
        strength = min(strength, _HIDDEN) if sure else strength * _HIDDEN
        how = f"{how}, {reading.view.kind}"
    return Mention(topic, min(1.0, strength), how, span, words)


def is_name_beside(reading: Reading, at: int, beside: int, own: frozenset[str]) -> bool:
    """Say whether the word beside a part of a name makes it the name of somebody else."""
    if not 0 <= beside < len(reading.words):
        return False
    word = reading.words[beside]
    if word in COMMON or word in TITLES or word in own or word.isdigit():
        return False
    gap = reading.gap(min(at, beside))
    if gap.strip(" -") not in ("", ".") or (gap.strip() == "." and (beside > at or len(word) > 1)):
        return False
    if len(word) == 1:
        return beside < at and reading.capital(beside) and not any(each.startswith(word) for each in own)
    head = beside - 1 if 0 < beside < at and reading.gap(beside - 1) == "-" else beside
    capital = reading.capital(at)
    return reading.capital(head) == capital and (capital or beside < at)


def fits_initial(reading: Reading, at: int, own: frozenset[str]) -> bool:
    """Say whether the given names before a word begin with an initial of the name: "Robert" for "R. Kelly"."""
    initials = {word for word in own if len(word) == 1}
    if not initials:
        return False
    first = at
    for beside in range(at - 1, max(-1, at - 2 - _MOST_MIDDLE_NAMES), -1):
        if not (reading.capital(beside) and 0 < len(reading.gap(beside)) <= LONGEST_GAP):
            break
        first = beside
    return first < at and reading.words[first][0] in initials
