"""The names of the topics, indexed for search: whole names, their parts, and near spellings. Reads no text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import ahocorasick

from verifiers.encodings import disguises, shifted
from verifiers.folding import fold, phonetic
from verifiers.protocol import Topic
from verifiers.typos import Spellings
from verifiers.words import COMMON, GIVEN_NAMES, PARTICLES, TITLES

__all__ = ["NameIndex", "Part", "Phrase"]

SHORT = 4
"""Names of fewer letters count only as whole words in the case in which they are given."""

_LAST_WORD, _OTHER_WORD, _FREQUENT_GIVEN_NAME, _EPITHET, _SHARED = 0.6, 0.5, 0.25, 0.25, 0.7
_ORDINARY_WORD = 0.6
_SHORTEST_SHIFTED = 8
_ARTICLES = frozenset({"the", "a", "an"})


@dataclass(frozen=True, slots=True)
class Phrase:
    """A whole name as it stands when run together.

    ``cuts`` are the positions at which its own words meet; ``words`` its folded words; ``ordinary`` says that
    it is one ordinary word, which must be written with a capital; ``how`` is a disguise in words, or "".
    """

    topic: int
    words: frozenset[str]
    cuts: frozenset[int]
    strength: float
    how: str = ""
    ordinary: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A telling word of a name. ``whole``: it is all of the name; ``name`` tells the names apart."""

    topic: int
    name: int
    strength: float
    whole: bool


class NameIndex:
    """Everything that names one of the topics.

    ``phrases`` finds names run together (payload: tuple of `Phrase`), or is None without topics; ``parts`` has
    the telling words; ``telling[name]`` the set of a name's telling words; ``exact`` finds short names.
    """

    __slots__ = ("exact", "exact_topics", "own_words", "parts", "phrases", "spellings", "telling")

    def __init__(self, topics: Sequence[Topic]) -> None:
        phrases: dict[str, list[Phrase]] = {}
        parts: dict[str, list[Part]] = {}
        self.telling: list[frozenset[str]] = []
        self.exact_topics: dict[str, list[int]] = {}
        self.own_words: list[frozenset[str]] = []
        for at, topic in enumerate(topics):
            own: set[str] = set()
            for name in dict.fromkeys((topic.name, *topic.aliases)):
                own.update(self._add(at, name, phrases, parts, name == topic.name))
            self.own_words.append(frozenset(own))
        self.parts = {word: _weighed(found) for word, found in parts.items()}
        self.spellings = Spellings(parts)
        self.phrases = _automaton(phrases)
        self.exact = _whole_words(self.exact_topics)

    def _add(
        self, topic: int, name: str, phrases: dict[str, list[Phrase]], parts: dict[str, list[Part]], is_main: bool
    ) -> set[str]:
        own: set[str] = set()
        for words in _readings(name):
            own.update(words)
            together = "".join(words)
            if len(together) < SHORT and together.isascii():
                self.exact_topics.setdefault(unicodedata.normalize("NFKC", name).strip(), []).append(topic)
                continue
            for form, phrase in _phrases(topic, words, is_main):
                if phrase not in phrases.setdefault(form, []):
                    phrases[form].append(phrase)
            self._add_parts(topic, words, parts)
        return own

    def _add_parts(self, topic: int, words: list[str], parts: dict[str, list[Part]]) -> None:
        telling = [word for word in words if _is_telling(word)]
        number = len(self.telling)
        self.telling.append(frozenset(telling))
        for word in telling:
            whole = len(words) == 1
            strength = 1.0 if whole else _part_strength(word, words)
            parts.setdefault(word, []).append(Part(topic, number, strength, whole))


def _readings(name: str) -> Iterable[list[str]]:
    looks = fold(name)
    words = looks.words()
    if words:
        yield words
    if not name.isascii():
        sounds = phonetic(name).words()
        if sounds and sounds != words:
            yield sounds


def _phrases(topic: int, words: list[str], is_main: bool) -> Iterable[tuple[str, Phrase]]:
    together, cuts, at = "".join(words), [], 0
    for word in words[:-1]:
        at += len(word)
        cuts.append(at)
    if len(words) == 1 and together in COMMON:
        yield together, Phrase(topic, frozenset(words), frozenset(), _ORDINARY_WORD, ordinary=True)
        return
    yield together, Phrase(topic, frozenset(words), frozenset(cuts), 1.0)
    is_shifted = is_main and len(together) >= _SHORTEST_SHIFTED
    forms = [*disguises(together), *(shifted(together) if is_shifted else ())]
    for how, form in forms:
        if form not in COMMON and len(form) == len(together):
            turned = (len(together) - cut if "backwards" in how else cut for cut in cuts)
            yield form, Phrase(topic, frozenset(words), frozenset(turned), 0.9, how)
    if len(words) > 1 and len(together) >= _SHORTEST_SHIFTED:
        yield from _disguised_by_word(topic, words)


def _disguised_by_word(topic: int, words: list[str]) -> Iterable[tuple[str, Phrase]]:
    """Give the disguises that treat every word of a name by itself, where all its words have one."""
    by_word = [dict(disguises(word)) for word in words]
    for how in by_word[0].keys() & set.intersection(*(set(forms) for forms in by_word)):
        forms = [each[how] for each in by_word]
        cuts = frozenset(accumulate(map(len, forms[:-1])))
        yield "".join(forms), Phrase(topic, frozenset(words), cuts, 0.9, how)


def _is_telling(word: str) -> bool:
    if word in COMMON or word in PARTICLES or word in TITLES or word.isdigit():
        return False
    return len(word) >= 3 or not word.isascii()


def _part_strength(word: str, name: list[str]) -> float:
    if not _ARTICLES.isdisjoint(name):
        return _EPITHET
    if word in GIVEN_NAMES:
        return _FREQUENT_GIVEN_NAME
    return _LAST_WORD if word == name[-1] else _OTHER_WORD


def _weighed(parts: list[Part]) -> tuple[Part, ...]:
    """Lower the strength of a word that the names of several topics share."""
    if len({part.topic for part in parts}) == 1:
        return tuple(parts)
    return tuple(
        part if part.whole else Part(part.topic, part.name, part.strength * _SHARED, False) for part in parts
    )


def _automaton(phrases: dict[str, list[Phrase]]) -> ahocorasick.Automaton | None:
    if not phrases:
        return None
    automaton = ahocorasick.Automaton()
    for form, found in phrases.items():
        automaton.add_word(form, (len(form), tuple(found)))
    automaton.make_automaton()
    return automaton


def _whole_words(names: Iterable[str]) -> re.Pattern[str] | None:
    escaped = [re.escape(name) for name in sorted(names, key=len, reverse=True)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(escaped)})(?!\w)") if escaped else None
