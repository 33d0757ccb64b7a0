"""The names of the topics, indexed for search: whole names, their parts, and near spellings. Reads no text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import ahocorasick

from verifiers.disguises import shape_of
from verifiers.folding import fold, phonetic
from verifiers.protocol import Topic
from verifiers.typos import Spellings
from verifiers.words import COMMON, FUNCTION, GIVEN_NAMES, PARTICLES, TITLES

__all__ = ["SHORT", "SHORTEST_SHIFTED", "NameIndex", "Part", "Phrase", "automaton", "readings_of"]

SHORT = 4
"""Names of fewer letters count only as whole words in the case in which they are given."""

SHORTEST_SHIFTED = 8
"""Names of fewer letters are too easily met by chance when shifted or disguised word by word."""

_LAST_WORD, _OTHER_WORD, _FREQUENT_GIVEN_NAME, _EPITHET, _SHARED = 0.6, 0.5, 0.25, 0.25, 0.7
_ORDINARY_WORD = 0.6
_ALIKE = str.maketrans("l", "i")
_ARTICLES = frozenset({"the", "a", "an"})
_ORDINARY = COMMON - FUNCTION


@dataclass(frozen=True, slots=True)
class Phrase:
    """A whole name as it stands when run together.

    ``cuts`` are the positions at which its own words meet; ``words`` its folded words; ``ordinary`` says that
    it is one ordinary word, which must be written with a capital.
    """

    topic: int
    words: frozenset[str]
    cuts: frozenset[int]
    strength: float
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

    ``phrases`` finds names run together (payload: length, tuple of `Phrase`), and ``shapes`` the main names by
    their steps from letter to letter (payload: the name run together, tuple of `Phrase`); either is None where
    there is nothing to find. ``parts`` has the telling words; ``telling[name]`` the set of a name's telling
    words, ``rest[name]`` its ordinary words; ``exact`` finds short names.
    """

    __slots__ = (
        "_alike",
        "exact",
        "exact_topics",
        "own_words",
        "parts",
        "phrases",
        "rest",
        "shapes",
        "spellings",
        "telling",
    )

    def __init__(self, topics: Sequence[Topic]) -> None:
        phrases: dict[str, list[Phrase]] = {}
        parts: dict[str, list[Part]] = {}
        shifted: dict[str, None] = {}
        self.telling: list[frozenset[str]] = []
        self.rest: list[frozenset[str]] = []
        self.exact_topics: dict[str, list[int]] = {}
        self.own_words: list[frozenset[str]] = []
        for at, topic in enumerate(topics):
            own: set[str] = set()
            for name in dict.fromkeys((topic.name, *topic.aliases)):
                for words in readings_of(name):
                    own.update(words)
                    self._add(at, name, words, phrases, parts)
                    if name == topic.name and _may_be_shifted("".join(words)):
                        shifted["".join(words)] = None
            self.own_words.append(frozenset(own))
        self.parts = {word: _weighed(found) for word, found in parts.items()}
        self._alike = {word.translate(_ALIKE): word for own in self.own_words for word in sorted(own)}
        self.spellings = Spellings(parts)
        self.phrases = automaton((form, (len(form), tuple(found))) for form, found in phrases.items())
        self.shapes = automaton(
            (shape_of(form), (form, tuple(phrases[form]))) for form in shifted if form in phrases
        )
        self.exact = _whole_words(self.exact_topics)

    def undigited(self, words: Sequence[str]) -> list[str]:
        """Put the word of a name in the place of each that differs from it only where 1 may be an i or an l."""
        return [word if word in self.parts else self._alike.get(word.translate(_ALIKE), word) for word in words]

    def _add(
        self,
        topic: int,
        name: str,
        words: list[str],
        phrases: dict[str, list[Phrase]],
        parts: dict[str, list[Part]],
    ) -> None:
        together = "".join(words)
        if len(together) < SHORT and together.isascii():
            self.exact_topics.setdefault(unicodedata.normalize("NFKC", name).strip(), []).append(topic)
            return
        phrase = _phrase(topic, words)
        if phrase not in phrases.setdefault(together, []):
            phrases[together].append(phrase)
        self._add_parts(topic, words, parts)

    def _add_parts(self, topic: int, words: list[str], parts: dict[str, list[Part]]) -> None:
        telling = [word for word in words if _is_telling(word)]
        number = len(self.telling)
        self.telling.append(frozenset(telling))
        self.rest.append(frozenset(word for word in words if word in _ORDINARY and len(word) >= 3))
        for word in telling:
            whole = len(words) == 1
            strength = 1.0 if whole else _part_strength(word, words)
            parts.setdefault(word, []).append(Part(topic, number, strength, whole))


def readings_of(name: str) -> Iterable[list[str]]:
    """Give the folded words of a name as it looks, and as it sounds where that is other."""
    looks = fold(name)
    words = looks.words()
    if words:
        yield words
    if not name.isascii():
        sounds = phonetic(name).words()
        if sounds and sounds != words:
            yield sounds


def _phrase(topic: int, words: list[str]) -> Phrase:
    if len(words) == 1 and words[0] in COMMON:
        return Phrase(topic, frozenset(words), frozenset(), _ORDINARY_WORD, ordinary=True)
    return Phrase(topic, frozenset(words), frozenset(accumulate(map(len, words[:-1]))), 1.0)


def _may_be_shifted(together: str) -> bool:
    return len(together) >= SHORTEST_SHIFTED and together.isascii() and together.isalpha()


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


def automaton(payloads: Iterable[tuple[str, object]]) -> ahocorasick.Automaton | None:
    """Index forms with what they stand for, to be found in one pass; None where there are none."""
    built = ahocorasick.Automaton()
    for form, payload in payloads:
        built.add_word(form, payload)
    if not len(built):
        return None
    built.make_automaton()
    return built


def _whole_words(names: Iterable[str]) -> re.Pattern[str] | None:
    escaped = [re.escape(name) for name in sorted(names, key=len, reverse=True)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(escaped)})(?!\w)") if escaped else None
