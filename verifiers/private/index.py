"""Where a text has what private topics hash: names, terms of facts, runs of texts. Knows no scores."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from verifiers.encodings import views
from verifiers.folding import View
from verifiers.letters import LONGEST_GAP, letter_runs
from verifiers.private.key import PrivateKey
from verifiers.private.topic import PrivateTopic
from verifiers.protocol import Span
from verifiers.reading import Reading, is_name_beside
from verifiers.terms import terms_of
from verifiers.words import COMMON

__all__ = ["Named", "PrivateIndex", "Read"]

T = TypeVar("T")

_SHORT_WORD = re.compile(r"(?<!\w)\w{1,3}(?!\w)")
_MOST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Named:
    """One place where a topic is named; ``digest`` is what was found there."""

    topic: int
    strength: float
    digest: str
    span: Span


@dataclass(frozen=True, slots=True)
class Read:
    """What a text has: names, and by hash the first place of each fact's term and of each run."""

    names: tuple[Named, ...]
    terms: dict[str, Span]
    runs: dict[str, Span]


class PrivateIndex:
    """Finds in a text what the topics hash, by hashing the text. Built once; topics are told by position.

    ``facts_by_term`` leads the hash of a rare term to its facts, as (topic, number), and ``texts_by_run`` that of
    a run to its texts. Raises `WrongKey` for a topic that was hashed with another key.
    """

    __slots__ = (
        "_key",
        "_names",
        "_parts",
        "_run_lengths",
        "_short",
        "_terms",
        "_words",
        "facts_by_term",
        "texts_by_run",
        "topics",
    )

    def __init__(self, key: PrivateKey, topics: Sequence[PrivateTopic]) -> None:
        for topic in topics:
            key.must_open(topic.check, f"private topic {topic.id!r}")
        self.topics = tuple(topics)
        self._key = key
        self._names = _postings((digest, (at, s)) for at, topic in enumerate(topics) for digest, s in topic.names)
        self._parts = _postings((digest, (at, s)) for at, topic in enumerate(topics) for digest, s in topic.parts)
        self._short = _postings((digest, at) for at, topic in enumerate(topics) for digest in topic.short)
        facts = [
            (fact, (at, number)) for at, topic in enumerate(topics) for number, fact in enumerate(topic.facts)
        ]
        texts = [
            (text, (at, number)) for at, topic in enumerate(topics) for number, text in enumerate(topic.texts)
        ]
        self._terms = frozenset(digest for fact, _ in facts for digest, _ in (*fact.rare, *fact.plain))
        self.facts_by_term = _postings((digest, place) for fact, place in facts for digest, _ in fact.rare)
        self.texts_by_run = _postings((digest, place) for text, place in texts for digest in text)
        self._run_lengths = sorted({length for topic in topics for length in topic.run_lengths})
        self._words = min(_MOST_WORDS, max((topic.words for topic in topics), default=1))

    def topics_met(self, text: str) -> frozenset[str]:
        """Return the ids of the topics that a text names: what a screen needs."""
        named = (named for view in views(text) for named in self._named(view))
        return frozenset(self.topics[each.topic].id for each in (*named, *self._short_names(text)))

    def read(self, text: str) -> Read:
        """Find everything in a text, in every reading that it invites."""
        names = list(self._short_names(text))
        terms: dict[str, Span] = {}
        runs: dict[str, Span] = {}
        for view in views(text):
            names += self._named(view)
            for digest, span in self._held_terms(view):
                terms.setdefault(digest, span)
            for digest, span in self._held_runs(view):
                runs.setdefault(digest, span)
        names.sort(key=lambda each: (-each.strength, each.span.start, each.topic))
        return Read(tuple(names), terms, runs)

    def _short_names(self, text: str) -> Iterator[Named]:
        if self._short:
            for found in _SHORT_WORD.finditer(text):
                digest = self._key.hash("short", [found.group()])
                for topic in self._short.get(digest, ()):
                    yield Named(topic, 1.0, digest, Span(*found.span()))

    def _named(self, view: View) -> Iterator[Named]:
        reading = Reading(view, view.words())
        taken: set[tuple[int, int]] = set()
        for first, last, together in self._grams(reading):
            digest = self._key.hash("name", [together])
            for topic, strength in self._names.get(digest, ()):
                if strength == 1.0 or reading.capital(first):
                    taken.update((topic, at) for at in range(first, last + 1))
                    yield Named(topic, strength, digest, reading.span(first, last))
        yield from self._partly_named(reading, taken)

    def _grams(self, reading: Reading) -> Iterator[tuple[int, int, str]]:
        """Give words and neighbouring words run together, and letters that stand alone."""
        words = reading.words
        for first in range(len(words)):
            together = words[first]
            yield first, first, together
            for last in range(first + 1, min(first + self._words, len(words))):
                if len(reading.gap(last - 1)) > LONGEST_GAP:
                    break
                together += words[last]
                yield first, last, together
        for letters, first, last in letter_runs(words, reading.bounds):
            yield first, last, letters

    def _partly_named(self, reading: Reading, taken: set[tuple[int, int]]) -> Iterator[Named]:
        digests = {
            at: self._key.hash("part", [word]) for at, word in enumerate(reading.words) if word not in COMMON
        }
        for at, digest in digests.items():
            for topic, strength in self._parts.get(digest, ()):
                if (topic, at) not in taken and not self._is_anothers(reading, at, topic, digests):
                    yield Named(topic, strength, digest, reading.span(at, at))

    def _is_anothers(self, reading: Reading, at: int, topic: int, digests: dict[int, str]) -> bool:
        """Say whether a word beside makes this part of a name somebody else's."""
        beside = [place for place in (at - 1, at + 1) if 0 <= place < len(reading.words)]
        own = frozenset(
            reading.words[place]
            for place in beside
            if any(other == topic for other, _ in self._parts.get(digests.get(place, ""), ()))
        )
        return any(is_name_beside(reading, at, place, own) for place in beside)

    def _held_terms(self, view: View) -> Iterator[tuple[str, Span]]:
        bounds = view.bounds()
        seen: set[str] = set()
        for term in terms_of(view, view.words()) if self._terms else ():
            if term.key not in seen:
                seen.add(term.key)
                digest = self._key.hash("term", [term.key])
                if digest in self._terms:
                    yield digest, view.span(bounds[term.first][0], bounds[term.last][1])

    def _held_runs(self, view: View) -> Iterator[tuple[str, Span]]:
        words, bounds = view.words(), view.bounds()
        for length in self._run_lengths:
            for at in range(len(words) - length + 1):
                digest = self._key.hash("run", words[at : at + length])
                if digest in self.texts_by_run:
                    yield digest, view.span(bounds[at][0], bounds[at + length - 1][1])


def _postings(pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    """Gather what each hash leads to."""
    found: dict[str, list[T]] = defaultdict(list)
    for digest, place in pairs:
        found[digest].append(place)
    return dict(found)
