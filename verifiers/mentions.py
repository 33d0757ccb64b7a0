"""Mentions: where a text names a topic, wholly, in part, misspelt or encoded. Knows no scores of verifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from rapidfuzz.distance import OSA

from verifiers.encodings import views
from verifiers.folding import View
from verifiers.letters import LONGEST_GAP, LONGEST_LETTER_GAP
from verifiers.names import NameIndex, Part, Phrase
from verifiers.protocol import Span, Topic
from verifiers.typos import SHORTEST
from verifiers.words import COMMON, TITLES

__all__ = ["Found", "Mention", "Names"]

_Foreign: TypeAlias = dict[tuple[int, str], Span]

_SPACED, _RUN_TOGETHER, _HIDDEN, _MISSPELT = 0.95, 0.9, 0.95, 0.8
_REORDERED, _SECOND_PART, _OTHERS_ALIAS = 0.95, 0.15, 0.4
_TORN, _EPITHET, _FARTHEST_TORN, _SHORTEST_WITH_TWO_SLIPS = 0.5, 0.25, 80, 6
_MAX_MENTIONS = 64
_REMEMBERED = 8


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


@dataclass(frozen=True, slots=True)
class Found:
    """The mentions in a text, strongest first, and the parts of names that the text gives to somebody else."""

    mentions: tuple[Mention, ...] = ()
    disowned: frozenset[tuple[int, str]] = frozenset()

    def strength(self, topic: int) -> float:
        """Return how surely the text names a topic; 0 if it does not."""
        return max((each.strength for each in self.mentions if each.topic == topic), default=0.0)


@dataclass(slots=True)
class _Reading:
    """One view of a text with its words; where they stand is found out on demand."""

    view: View
    words: list[str]
    _bounds: list[tuple[int, int]] = field(default_factory=list)

    @property
    def bounds(self) -> list[tuple[int, int]]:
        if not self._bounds:
            self._bounds = self.view.bounds()
        return self._bounds

    def gap(self, at: int) -> str:
        """Return what stands between word ``at`` and the next."""
        return self.view.text[self.bounds[at][1] : self.bounds[at + 1][0]]

    def span(self, first: int, last: int) -> Span:
        return self.view.span(self.bounds[first][0], self.bounds[last][1])

    def capital(self, at: int) -> bool:
        return self.view.capital(self.bounds[at][0])


class Names:
    """Finds the topics that a text names. Built once for a set of topics; topics are told by position.

    Remembers the last few texts, since each verifier of a panel looks for the names in the same exchange.
    """

    __slots__ = ("_index", "_remembered")

    def __init__(self, topics: Sequence[Topic]) -> None:
        self._index = NameIndex(topics)
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._find)

    def own_words(self, topic: int) -> frozenset[str]:
        """Return the folded words of all names of a topic."""
        return self._index.own_words[topic]

    def find(self, text: str, disowned: frozenset[tuple[int, str]] = frozenset()) -> Found:
        """Find the mentions in a text.

        ``disowned`` are parts of names that the conversation has already given to somebody else: after "Jory
        Oskeld", a lone "Oskeld" is not Maren Oskeld, unless the text names her in full.
        """
        return self._remembered(text, disowned)

    def _find(self, text: str, disowned: frozenset[tuple[int, str]]) -> Found:
        mentions = list(self._short_names(text))
        foreign: _Foreign = {}
        for view in views(text):
            reading = _Reading(view, view.words())
            whole = list(self._whole_names(reading))
            mentions += [mention for mention, _ in whole]
            covered = {(mention.topic, at) for mention, places in whole for at in places}
            mentions += self._parts(reading, covered, foreign)
        torn = tuple(self._torn(foreign))
        if not mentions:
            return Found(torn, frozenset(foreign))
        return Found((*_strongest(mentions, disowned | foreign.keys()), *torn), frozenset(foreign))

    def _torn(self, foreign: _Foreign) -> Iterator[Mention]:
        """Give the names of two words that stand near each other, each inside another name."""
        for (topic, word), span in foreign.items():
            for part in self._index.parts[word]:
                rest = self._index.telling[part.name] - {word}
                other = foreign.get((topic, min(rest))) if len(rest) == 1 else None
                if part.topic != topic or other is None or not 0 < other.start - span.start < _FARTHEST_TORN:
                    continue
                if part.strength > _EPITHET and all(
                    each.strength > _EPITHET for each in self._index.parts[min(rest)]
                ):
                    whole = Span(span.start, other.end)
                    yield Mention(topic, _TORN, "named in two parts", whole, frozenset({word, *rest}))

    def _short_names(self, text: str) -> Iterator[Mention]:
        if self._index.exact is not None:
            for found in self._index.exact.finditer(text):
                for topic in self._index.exact_topics[found.group()]:
                    word = found.group().casefold()
                    yield Mention(topic, 1.0, "named", Span(*found.span()), frozenset({word}))

    def _whole_names(self, reading: _Reading) -> Iterator[tuple[Mention, range]]:
        automaton = self._index.phrases
        if automaton is None or not reading.words:
            return
        hits = list(automaton.iter("".join(reading.words)))
        if not hits:
            return
        word_at, at = {}, 0
        for position, word in enumerate(reading.words):
            word_at[at] = position
            at += len(word)
        word_at[at] = len(reading.words)
        for last, (length, phrases) in hits:
            start = last + 1 - length
            if start in word_at and last + 1 in word_at:
                places = range(word_at[start], word_at[last + 1])
                yield from _whole(reading, places, phrases)

    def _parts(self, reading: _Reading, covered: set[tuple[int, int]], foreign: _Foreign) -> Iterator[Mention]:
        seen = self._seen_parts(reading)
        by_name: dict[int, list[tuple[int, str, Part, bool]]] = {}
        for at, word, part, exact in seen:
            if (part.topic, at) not in covered:
                by_name.setdefault(part.name, []).append((at, word, part, exact))
        for name, places in by_name.items():
            yield from self._runs(reading, name, places, foreign)

    def _seen_parts(self, reading: _Reading) -> list[tuple[int, str, Part, bool]]:
        parts, spellings = self._index.parts, self._index.spellings
        seen = [
            (at, word, part, True)
            for at, word in enumerate(reading.words)
            if word in parts
            for part in parts[word]
        ]
        if reading.view.kind == "digits for letters":
            return seen
        near: dict[str, list[str]] = {}
        for at, word in enumerate(reading.words):
            if len(word) < SHORTEST - 1 or word in COMMON or word in parts:
                continue
            if word not in near:
                near[word] = spellings.near(word)
            seen += [(at, known, part, False) for known in near[word] for part in parts[known]]
        return sorted(seen, key=lambda each: each[0])

    def _runs(
        self,
        reading: _Reading,
        name: int,
        places: list[tuple[int, str, Part, bool]],
        foreign: _Foreign,
    ) -> Iterator[Mention]:
        """Give the parts of one name, those that stand together as one mention."""
        run: list[tuple[int, str, Part, bool]] = []
        for place in places:
            if run and not _together(reading, run[-1], place):
                yield from self._run(reading, name, run, foreign)
                run = []
            run.append(place)
        yield from self._run(reading, name, run, foreign)

    def _run(
        self,
        reading: _Reading,
        name: int,
        run: list[tuple[int, str, Part, bool]],
        foreign: _Foreign,
    ) -> Iterator[Mention]:
        topic = run[0][2].topic
        words = frozenset(word for _, word, _, _ in run)
        span = reading.span(run[0][0], run[-1][0])
        exact = all(each[3] for each in run)
        if len(words) > 1 and words == self._index.telling[name]:
            strength, how = _REORDERED, "named"
        elif self._is_slipped(reading, run, name):
            strength, how, exact = _REORDERED * _MISSPELT, "named", False
        elif self._is_anothers(reading, run, topic):
            foreign.update({(topic, word): span for word in words})
            if not run[0][2].whole:
                return
            strength, how = _OTHERS_ALIAS, "an alias inside another name"
        else:
            strength = max(each[2].strength for each in run) + _SECOND_PART * (len(words) > 1)
            how = "named" if run[0][2].whole else "named in part"
        if not exact:
            strength, how = strength * _MISSPELT, f"{how}, misspelt"
        yield _mention(reading, topic, strength, how, span, words)

    def _is_slipped(self, reading: _Reading, run: list[tuple[int, str, Part, bool]], name: int) -> bool:
        """Say whether beside one word of a name of two stands the other, two slips away and not short."""
        missing = self._index.telling[name] - {word for _, word, _, _ in run}
        if len(missing) != 1 or len(min(missing)) < _SHORTEST_WITH_TWO_SLIPS:
            return False
        (known,) = missing
        for at, beside in ((run[0][0], run[0][0] - 1), (run[-1][0], run[-1][0] + 1)):
            if 0 <= beside < len(reading.words) and len(reading.gap(min(at, beside))) <= LONGEST_GAP:
                word = reading.words[beside]
                near = word[0] == known[0] and word not in COMMON and len(word) >= _SHORTEST_WITH_TWO_SLIPS
                if near and OSA.distance(word, known, score_cutoff=2) <= 2:
                    return True
        return False

    def _is_anothers(self, reading: _Reading, run: list[tuple[int, str, Part, bool]], topic: int) -> bool:
        own = self._index.own_words[topic]
        first, last = run[0][0], run[-1][0]
        return _is_name_beside(reading, first, first - 1, own) or _is_name_beside(reading, last, last + 1, own)


def _whole(reading: _Reading, places: range, phrases: tuple[Phrase, ...]) -> Iterator[tuple[Mention, range]]:
    for phrase in phrases:
        spacing = _spacing(reading, places, phrase)
        if spacing is None:
            continue
        if phrase.ordinary and not (reading.capital(places[0]) and len(places) == 1):
            continue
        factor, how = spacing
        strength = phrase.strength * factor
        if len(phrase.words) == 1 and len(places) == 1 and not phrase.how:
            own = phrase.words
            at = places[0]
            if _is_name_beside(reading, at, at - 1, own) or _is_name_beside(reading, at, at + 1, own):
                strength = min(strength, _OTHERS_ALIAS)
        how = ", ".join(filter(None, ("named", how, phrase.how)))
        span = reading.span(places[0], places[-1])
        yield _mention(reading, phrase.topic, strength, how, span, phrase.words), places


def _mention(
    reading: _Reading, topic: int, strength: float, how: str, span: Span, words: frozenset[str]
) -> Mention:
    if reading.view.kind:
        strength, how = strength * _HIDDEN, f"{how}, {reading.view.kind}"
    return Mention(topic, min(1.0, strength), how, span, words)


def _spacing(reading: _Reading, places: range, phrase: Phrase) -> tuple[float, str] | None:
    """Return (factor, how) if the words at ``places`` may be the phrase; None if they only happen to spell it."""
    pieces = [reading.words[at] for at in places]
    cuts, at = set(), 0
    for piece in pieces[:-1]:
        at += len(piece)
        cuts.add(at)
    if cuts == phrase.cuts:
        return 1.0, ""
    gaps = [reading.gap(at) for at in places[:-1]]
    letters = all(len(piece) == 1 for piece in pieces)
    if any(len(gap) > (LONGEST_LETTER_GAP if letters else LONGEST_GAP) for gap in gaps):
        return None
    ordinary = all(piece in COMMON and len(piece) > 1 for piece in pieces)
    if cuts < phrase.cuts:
        return None if ordinary else (_RUN_TOGETHER, "run together")
    if ordinary and any(gap.isspace() for gap in gaps):
        return None
    return _SPACED, "spaced out"


def _together(reading: _Reading, one: tuple[int, str, Part, bool], other: tuple[int, str, Part, bool]) -> bool:
    """Say whether two parts stand side by side, or with one or two middle names between them."""
    between = other[0] - one[0] - 1
    if one[1] == other[1] or between > 2 or between < 0:
        return False
    if any(len(reading.gap(at)) > LONGEST_GAP for at in range(one[0], other[0])):
        return False
    middles = range(one[0] + 1, other[0])
    return all(reading.words[at] not in COMMON and reading.capital(at) for at in middles)


def _is_name_beside(reading: _Reading, at: int, beside: int, own: frozenset[str]) -> bool:
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


def _strongest(mentions: list[Mention], disowned: frozenset[tuple[int, str]]) -> tuple[Mention, ...]:
    """Keep the best mention of each place, and drop lone parts that belong to somebody else."""
    named = {each.topic for each in mentions if each.strength >= _MISSPELT * _REORDERED}
    best: dict[tuple[int, Span], Mention] = {}
    for each in mentions:
        theirs = all((each.topic, word) in disowned for word in each.words)
        if theirs and each.topic not in named and each.strength < _MISSPELT * _REORDERED:
            continue
        known = best.get((each.topic, each.span))
        if known is None or known.strength < each.strength:
            best[each.topic, each.span] = each
    ranked = sorted(best.values(), key=lambda each: (-each.strength, each.span.start, each.topic))
    return tuple(ranked[:_MAX_MENTIONS])
