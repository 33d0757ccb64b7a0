"""Traces: what the facts of the topics say, as weighed terms and values. Reads no conversation.

A *value* is what a fact is there to tell: a run of capitalised words or numbers, a quotation, or in a short
fact a rare word.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from verifiers.disguises import HiddenWords
from verifiers.folding import View, fold
from verifiers.protocol import Topic
from verifiers.terms import Term, is_plain, stem, terms_of
from verifiers.typos import Spellings
from verifiers.words import COMMON

__all__ = ["QUOTED", "Fact", "FactIndex", "Value"]

_CAPITAL, _NUMBER, _SMALL_NUMBER, _RARE, _PLAIN, _PLAIN_CAPITAL = 1.5, 1.5, 0.6, 1.0, 0.25, 0.8
_LEAST_RARITY = 0.15
_SURE_VALUE, _WORD_VALUE, _WORDS_OF_A_SHORT_FACT = 0.9, 0.75, 3
_PHRASE_TOUCH, _WORD_TOUCH = 0.9, 0.35
_TELLING_WEIGHT = 0.6

QUOTED = re.compile(
    r"[\"\u201c\u201d]([^\"\u201c\u201d]{3,120})[\"\u201c\u201d]|(?<!\w)['\u2018](.{3,120}?)['\u2019](?!\w)"
)
"""A quotation: group 1 in double quotes, group 2 in single ones."""


@dataclass(frozen=True, slots=True)
class Value:
    """Terms that together are one value, and how much of the fact is told with them, in [0, 1]."""

    keys: frozenset[str]
    strength: float


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of a topic: the weights of its terms (the topic's own names left out) and its values."""

    topic: int
    number: int
    weights: dict[str, float]
    values: tuple[Value, ...]


class FactIndex:
    """The facts of all topics.

    ``facts[topic]`` are those of one, ``keys[topic]`` all their keys, ``rare[topic]`` their rare words.
    """

    __slots__ = ("_hidden", "_spellings", "_telling", "_touching", "facts", "keys", "rare")

    def __init__(self, topics: Sequence[Topic], own_words: Sequence[frozenset[str]]) -> None:
        own = [frozenset(stem(word) for word in words) for words in own_words]
        drafts = [
            (at, number, _draft(text, own[at]))
            for at, topic in enumerate(topics)
            for number, text in enumerate(topic.facts)
        ]
        spread = Counter(key for _, _, draft in drafts for key in {term.key for term in draft.terms})
        self.facts: list[list[Fact]] = [[] for _ in topics]
        for at, number, draft in drafts:
            self.facts[at].append(_finished(at, number, draft, spread, len(drafts)))
        rare = {word for _, _, draft in drafts for word in draft.words if word not in COMMON}
        self.keys = [frozenset(key for fact in facts for key in fact.weights) for facts in self.facts]
        words: list[set[str]] = [set() for _ in topics]
        for at, _, draft in drafts:
            words[at].update(word for word in draft.words if word not in COMMON)
        self.rare = [tuple(sorted(each)) for each in words]
        self._spellings: dict[int, Spellings] = {}
        self._hidden = HiddenWords(word for word in rare if not word.isdigit())
        self._touching = _touching(fact for facts in self.facts for fact in facts)
        self._telling = frozenset(key for key in self._touching if not is_plain(key))

    def hidden(self, word: str) -> list[str]:
        """Return the keys of the facts' rare words that the word hides in a disguise."""
        return [stem(known) for known in self._hidden.within(word)]

    def spellings(self, topic: int) -> Spellings:
        """Return the finder of one topic's rare words misspelt. Built when first asked for, then kept."""
        known = self._spellings.get(topic)
        if known is None:
            known = self._spellings[topic] = Spellings(self.rare[topic])
        return known

    def may_tell(self, key: str) -> bool:
        """Say whether a stem is one of those by which ``hinted`` finds topics."""
        return key in self._telling

    def may_touch(self, key: str) -> bool:
        """Say whether a term of this key is one of those without which ``touched`` finds nothing."""
        return key in self._touching

    def hinted(self, stems: Iterable[str]) -> set[int]:
        """Return, cheaply, the topics at which any of the stems could point."""
        hits = self._telling.intersection(stems)
        return {topic for key in hits for _, topics in self._touching[key] for topic in topics}

    def touched(self, terms: Sequence[Term]) -> dict[int, float]:
        """Return how surely the terms speak of each topic, though nobody is named: "the author of ...".

        A value of several words said in one place counts most; of single telling words it takes two. A topic
        loses as many others have the same value.
        """
        places: dict[str, list[Term]] = {}
        for term in terms:
            places.setdefault(term.key, []).append(term)
        found: dict[int, dict[frozenset[str], float]] = {}
        for key in places.keys() & self._touching.keys():
            for value, topics in self._touching[key]:
                strength = _touch(value, places)
                if strength:
                    for topic in topics:
                        found.setdefault(topic, {})[value] = strength / math.sqrt(len(topics))
        return {topic: min(1.0, math.fsum(values.values())) for topic, values in found.items()}


@dataclass(frozen=True, slots=True)
class _Draft:
    terms: list[Term]
    words: list[str]
    runs: list[frozenset[str]]


def _draft(text: str, own: frozenset[str]) -> _Draft:
    view = fold(text)
    words = view.words()
    terms = [term for term in terms_of(view, words) if term.key not in own]
    runs = {*_quotations(view, terms), *_capitals(terms)}
    telling = [words[term.first] for term in terms if term.first == term.last]
    return _Draft(terms, telling, sorted(runs, key=sorted))


def _quotations(view: View, terms: list[Term]) -> Iterator[frozenset[str]]:
    bounds = view.bounds()
    for quoted in QUOTED.finditer(view.text):
        keys = frozenset(t.key for t in terms if quoted.start() <= bounds[t.first][0] < quoted.end())
        if len(keys) > 1:
            yield keys


def _capitals(terms: list[Term]) -> Iterator[frozenset[str]]:
    run: list[Term] = []
    for term in terms:
        if not (term.capital or term.key[0] in "#@"):
            continue
        if run and (term.first - run[-1].last > 2 or term.capital != run[-1].capital):
            yield frozenset(each.key for each in run)
            run = []
        run.append(term)
    if run:
        yield frozenset(each.key for each in run)


def _finished(topic: int, number: int, draft: _Draft, spread: Counter[str], facts: int) -> Fact:
    rarity = {key: _rarity(spread[key], facts) for key in {term.key for term in draft.terms}}
    weights: dict[str, float] = {}
    for term in draft.terms:
        weights[term.key] = max(weights.get(term.key, 0.0), _base(term) * rarity[term.key])
    values = [_value(run, weights) for run in draft.runs]
    rare = [key for key in weights if not is_plain(key)]
    share = min(1.0, _WORDS_OF_A_SHORT_FACT / max(1, len(rare)))
    values += [Value(frozenset({key}), _WORD_VALUE * rarity[key] * share) for key in sorted(rare)]
    return Fact(topic, number, weights, tuple(values))


def _value(keys: frozenset[str], weights: dict[str, float]) -> Value:
    return Value(keys, _SURE_VALUE * min(1.0, math.fsum(weights[key] for key in keys)))


def _rarity(count: int, facts: int) -> float:
    """Return 1 for a term of one fact, less for one of many."""
    return max(_LEAST_RARITY, math.log((facts + 1) / count) / math.log(facts + 1))


def _base(term: Term) -> float:
    if term.key[0] == "@":
        return _NUMBER
    if term.key[0] == "#":
        return _NUMBER if len(term.key) > 3 else _SMALL_NUMBER
    if is_plain(term.key):
        return _PLAIN_CAPITAL if term.capital else _PLAIN
    return _CAPITAL if term.capital else _RARE


def _touching(facts: Iterable[Fact]) -> dict[str, list[tuple[frozenset[str], list[int]]]]:
    """Index the values that can point at a topic, each under one of its keys."""
    topics: dict[frozenset[str], set[int]] = {}
    heaviest: dict[frozenset[str], str] = {}
    for fact in facts:
        for value in fact.values:
            if math.fsum(fact.weights[key] for key in value.keys) >= _TELLING_WEIGHT:
                topics.setdefault(value.keys, set()).add(fact.topic)
                heaviest[value.keys] = max(sorted(value.keys), key=lambda key: fact.weights[key])
    index: dict[str, list[tuple[frozenset[str], list[int]]]] = {}
    for keys, having in topics.items():
        index.setdefault(heaviest[keys], []).append((keys, sorted(having)))
    return index


def _touch(value: frozenset[str], places: dict[str, list[Term]]) -> float:
    if not value <= places.keys():
        return 0.0
    if len(value) == 1:
        key = next(iter(value))
        return 0.0 if is_plain(key) else _WORD_TOUCH
    starts = sorted({term.first for key in value for term in places[key]})
    room = len(value) if all(map(is_plain, value)) else 2 * len(value)
    runs = zip(starts, starts[len(value) - 1 :], strict=False)
    return _PHRASE_TOUCH if any(last - first <= room for first, last in runs) else 0.0
