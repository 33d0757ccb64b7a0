"""Mentions: where a text names a topic, wholly, in part, misspelt or encoded. Knows no scores of verifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rapidfuzz.distance import OSA

from verifiers.encodings import views
from verifiers.letters import LONGEST_GAP
from verifiers.names import NameIndex, Part
from verifiers.openings import Openings
from verifiers.protocol import Span, Topic
from verifiers.reading import Mention, Reading, fits_initial, is_name_beside, mention
from verifiers.remembering import Remembered
from verifiers.terms import is_plain, stem
from verifiers.typos import SHORTEST
from verifiers.whole_names import hidden_names, whole_names
from verifiers.words import COMMON

__all__ = ["Found", "Mention", "Names"]

_Foreign: TypeAlias = dict[tuple[int, str], Span]

_MISSPELT = 0.8
_REORDERED, _SECOND_PART, _OTHERS_ALIAS = 0.95, 0.15, 0.4
_TORN, _EPITHET, _FARTHEST_TORN, _SHORTEST_WITH_TWO_SLIPS = 0.5, 0.25, 80, 6
_MAX_MENTIONS = 64
_NEAR = 3
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Found:
    """The mentions in a text, strongest first, and the parts of names that the text gives to somebody else."""

    mentions: tuple[Mention, ...] = ()
    disowned: frozenset[tuple[int, str]] = frozenset()

    def strength(self, topic: int) -> float:
        """Return how surely the text names a topic; 0 if it does not."""
        return max((each.strength for each in self.mentions if each.topic == topic), default=0.0)


class Names:
    """Finds the topics that a text names. Built once for a set of topics; topics are told by position.

    Remembers what the last texts named, since each verifier, round and segment looks for the names in the same
    conversation. A ``thorough`` one looks for parts and disguises in every text, also where no word could begin
    one; it finds the same.
    """

    __slots__ = ("_index", "_openings", "_remembered", "_thorough")

    def __init__(self, topics: Sequence[Topic], *, thorough: bool = False) -> None:
        self._index = NameIndex(topics)
        self._openings = Openings(self._index)
        self._thorough = thorough
        self._remembered = Remembered(self._find, most=_REMEMBERED)

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
            spelled = view.kind == "digits for letters"
            reading = Reading(view, self._index.undigited(view.words()) if spelled else view.words())
            whole = list(whole_names(self._index, reading))
            left = self._openings.left(set(reading.words) if spelled else view.vocabulary())
            if self._thorough or (left and self._openings.hidden_among(reading.words, left)):
                whole += hidden_names(self._index, reading)
            mentions += [each for each, _ in whole]
            if self._thorough or (left and self._openings.part_among(left)):
                covered = {(each.topic, at) for each, places in whole for at in places}
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

    def _parts(self, reading: Reading, covered: set[tuple[int, int]], foreign: _Foreign) -> Iterator[Mention]:
        seen = self._seen_parts(reading)
        by_name: dict[int, list[tuple[int, str, Part, bool]]] = {}
        for at, word, part, exact in seen:
            if (part.topic, at) not in covered:
                by_name.setdefault(part.name, []).append((at, word, part, exact))
        for name, places in by_name.items():
            yield from self._runs(reading, name, places, foreign)

    def _seen_parts(self, reading: Reading) -> list[tuple[int, str, Part, bool]]:
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
            if len(word) < SHORTEST - 1 or word in COMMON or word in parts or is_plain(stem(word)):
                continue
            if word not in near:
                near[word] = spellings.near(word)
            seen += [(at, known, part, False) for known in near[word] for part in parts[known]]
        return sorted(seen, key=lambda each: each[0])

    def _runs(
        self,
        reading: Reading,
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
        reading: Reading,
        name: int,
        run: list[tuple[int, str, Part, bool]],
        foreign: _Foreign,
    ) -> Iterator[Mention]:
        topic = run[0][2].topic
        words = frozenset(word for _, word, _, _ in run)
        span = reading.span(run[0][0], run[-1][0])
        exact = all(each[3] for each in run)
        all_telling = words == self._index.telling[name]
        if len(words) > 1 and all_telling:
            strength, how = _REORDERED, "named"
        elif all_telling and (rest := self._with_rest(reading, run, name)):
            strength, how, exact = _REORDERED, "named", exact and rest == 1.0
        elif self._is_slipped(reading, run, name):
            strength, how, exact = _REORDERED * _MISSPELT, "named", False
        elif self._is_anothers(reading, run, topic):
            foreign.update({(topic, word): span for word in words})
            if not run[0][2].whole:
                return
            strength, how = _OTHERS_ALIAS, "an alias inside another name"
        elif not exact and len(words) == 1 and not run[0][2].whole and not self._may_be_name(reading, run[0][0]):
            return
        else:
            strength = max(each[2].strength for each in run) + _SECOND_PART * (len(words) > 1)
            how = "named" if run[0][2].whole else "named in part"
        if not exact:
            strength, how = strength * _MISSPELT, f"{how}, misspelt"
        yield mention(reading, topic, strength, how, span, words)

    def _is_slipped(self, reading: Reading, run: list[tuple[int, str, Part, bool]], name: int) -> bool:
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

    def _with_rest(self, reading: Reading, run: list[tuple[int, str, Part, bool]], name: int) -> float:
        """Return how surely the ordinary words of the name stand there too: the "White" of "Vanna Marie White"."""
        rest = self._index.rest[name]
        near = range(max(0, run[0][0] - _NEAR), min(len(reading.words), run[-1][0] + 1 + _NEAR))
        capitals = [at for at in near if reading.capital(at)]
        places = [next((at for at in capitals if _is_spelling(reading.words[at], word)), -1) for word in rest]
        if not places or -1 in places:
            return 0.0
        first, last = min(run[0][0], *places), max(run[-1][0], *places)
        if not all(reading.capital(at) and len(reading.gap(at)) <= LONGEST_GAP for at in range(first, last)):
            return 0.0
        return 1.0 if all(reading.words[at] in rest for at in places) else _MISSPELT

    def _may_be_name(self, reading: Reading, at: int) -> bool:
        """Say whether a word is written as a name: with a capital, where the text has any."""
        return reading.capital(at) or reading.view.raw == reading.view.raw.lower()

    def _is_anothers(self, reading: Reading, run: list[tuple[int, str, Part, bool]], topic: int) -> bool:
        own = self._index.own_words[topic]
        first, last = run[0][0], run[-1][0]
        if fits_initial(reading, first, own):
            return is_name_beside(reading, last, last + 1, own)
        return is_name_beside(reading, first, first - 1, own) or is_name_beside(reading, last, last + 1, own)


def _is_spelling(word: str, known: str) -> bool:
    return word == known or (len(known) >= SHORTEST - 1 and OSA.distance(word, known, score_cutoff=1) == 1)


def _together(reading: Reading, one: tuple[int, str, Part, bool], other: tuple[int, str, Part, bool]) -> bool:
    """Say whether two parts stand side by side, or with one or two middle names between them."""
    between = other[0] - one[0] - 1
    if one[1] == other[1] or between > 2 or between < 0:
        return False
    if any(len(reading.gap(at)) > LONGEST_GAP for at in range(one[0], other[0])):
        return False
    middles = range(one[0] + 1, other[0])
    return all(reading.words[at] not in COMMON and reading.capital(at) for at in middles)


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
