"""Attribution: which topics a text names or otherwise speaks of. Knows no scores of verifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from verifiers.dismissing import Dismissing
from verifiers.folding import View, fold
from verifiers.mentions import Found, Names
from verifiers.numerals import numerals
from verifiers.protocol import Exchange, Topic
from verifiers.remembering import Remembered
from verifiers.terms import stem, terms_of
from verifiers.titles import Titles
from verifiers.traces import FactIndex
from verifiers.words import COMMON, FUNCTION, PERSON, PRONOUNS, TITLES

__all__ = [
    "Mentions",
    "Pointing",
    "certainty_of",
    "mentions_of",
    "names_stranger",
    "refers_back",
    "turns_to_stranger",
]

_ENOUGH_TO_TOUCH = 0.5
_UNNAMED_ANSWER = 0.6
_TURNED_AWAY = 0.3
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Pointing:
    """Whom an exchange speaks of: the names in either text, and per topic how surely it is meant, in (0, 1].

    ``described`` are the topics at which the prompt points by what their facts say.
    """

    prompt: Found
    answer: Found
    topics: dict[int, float]
    described: dict[int, float]


class Mentions:
    """Says which topics a text names or touches: the gateway's screen, and what the verifiers share.

    Built once for a set of topics; safe to share between threads, since it never changes.
    """

    __slots__ = ("_known", "_remembered", "_telling", "_titles", "_touching", "facts", "names", "topics")

    def __init__(self, topics: Sequence[Topic]) -> None:
        self.topics = tuple(topics)
        self.names = Names(self.topics)
        self._titles = Titles(self.topics)
        own = [self.names.own_words(at) for at in range(len(self.topics))]
        self.facts = FactIndex(self.topics, own)
        self._known = [
            frozenset(map(stem, words)) | keys for words, keys in zip(own, self.facts.keys, strict=True)
        ]
        self._telling = Dismissing(lambda word: self.facts.may_tell(stem(word)), beforehand=COMMON)
        self._touching = Dismissing(lambda word: self.facts.may_touch(stem(word)), beforehand=FUNCTION)
        self._remembered = Remembered(self._find_touched, most=_REMEMBERED)

    def topics_named(self, text: str) -> frozenset[str]:
        """Return the ids of the topics whose name the text has: whole, in part, misspelt or encoded."""
        return frozenset(self.topics[each.topic].id for each in self.names.find(text).mentions)

    def topics_met(self, text: str) -> frozenset[str]:
        """Return the ids of the topics that the text could be about: named, told of, or by a work's title."""
        titled = frozenset(self.topics[topic].id for topic in self._titles.named(text))
        return titled | self.topics_named(text) | self.topics_touched(text)

    def topics_touched(self, text: str) -> frozenset[str]:
        """Return the ids of the topics that the text points at by what their facts say, named or not."""
        found = self._touched(text)
        return frozenset(
            self.topics[topic].id for topic, strength in found.items() if strength >= _ENOUGH_TO_TOUCH
        )

    def pointing(self, exchange: Exchange) -> Pointing:
        """Find whom the prompt and the answer speak of.

        A topic that is named counts by the strength of its name; one that the prompt only describes, by how
        well; one that the answer alone describes, less; and one that gives way to another person, little.
        """
        prompt = self.names.find(exchange.prompt)
        answer = self.names.find(exchange.answer, prompt.disowned)
        topics: dict[int, float] = {}
        for each in (*prompt.mentions, *answer.mentions):
            topics[each.topic] = max(topics.get(each.topic, 0.0), certainty_of(each.strength))
        view = fold(exchange.prompt)
        described = self._touched(exchange.prompt)
        self._add_described(topics, described, view, exchange)
        self._turn_away(topics, exchange, answer)
        clear = {at: strength for at, strength in described.items() if strength >= _ENOUGH_TO_TOUCH}
        return Pointing(prompt, answer, topics, clear)

    def _add_described(
        self, topics: dict[int, float], asked: Mapping[int, float], view: View, exchange: Exchange
    ) -> None:
        told: Mapping[int, float] = {}
        answer = fold(exchange.answer)
        if self.facts.hinted(map(stem, self._telling.left(answer.vocabulary()))) - topics.keys():
            known = set(map(stem, view.words()))
            terms = terms_of(answer, answer.words())
            told = self.facts.touched([term for term in terms if term.key not in known])
        for described, factor in ((asked, 1.0), (told, _UNNAMED_ANSWER)):
            for topic, strength in described.items():
                if topic in topics or strength < _ENOUGH_TO_TOUCH:
                    continue
                if not self.is_strangers(view, topic) and not self.is_strangers(answer, topic):
                    topics[topic] = strength * factor

    def _turn_away(self, topics: dict[int, float], exchange: Exchange, answer: Found) -> None:
        """Lower the topics of earlier turns when the newest one is about somebody else."""
        if not topics or exchange.last_turn is None:
            return
        view, named = fold(exchange.last_turn), self.names.find(exchange.last_turn)
        described = self._touched(exchange.last_turn)
        for topic in topics:
            if named.strength(topic) or answer.strength(topic) or described.get(topic, 0.0) >= _ENOUGH_TO_TOUCH:
                continue
            if turns_to_stranger(view, self._known[topic]):
                topics[topic] *= _TURNED_AWAY

    def _touched(self, text: str) -> Mapping[int, float]:
        return self._remembered(text, None)

    def _find_touched(self, text: str, _: None) -> Mapping[int, float]:
        view = fold(text)
        words = view.words()
        if not self._touching.left(view.vocabulary()) and not any(
            self.facts.may_touch(key) for key, _, _ in numerals(words)
        ):
            return {}
        return self.facts.touched(terms_of(view, words))

    def is_strangers(self, view: View, topic: int) -> bool:
        """Say whether a text names in full somebody who has no part in the topic."""
        return names_stranger(view, self._known[topic])


@lru_cache(maxsize=4)
def mentions_of(topics: tuple[Topic, ...]) -> Mentions:
    """Build the index of these topics, or return the one that another verifier has just built of them."""
    return Mentions(topics)


def names_stranger(view: View, known: Set[str]) -> bool:
    """Say whether two capitalised words stand together, not both of them ordinary or ``known`` stems."""
    return _stranger_at(view, known) is not None


def turns_to_stranger(view: View, known: Set[str]) -> bool:
    """Say whether a turn names a stranger and does not refer back before that, as a signed letter does."""
    at = _stranger_at(view, known)
    return at is not None and not refers_back(view.words()[:at])


def _stranger_at(view: View, known: Set[str]) -> int | None:
    words, bounds = view.words(), view.bounds()
    names = [
        len(word) > 1 and word not in COMMON and word not in TITLES and view.capital(start)
        for word, (start, _) in zip(words, bounds, strict=True)
    ]
    strangers = (
        at
        for at in range(len(words) - 1)
        if names[at]
        and names[at + 1]
        and view.text[bounds[at][1] : bounds[at + 1][0]] in (" ", "-")
        and not (stem(words[at]) in known and stem(words[at + 1]) in known)
    )
    return next(strangers, None)


def refers_back(words: Sequence[str]) -> bool:
    """Say whether folded words refer to somebody by a pronoun or as "this person"."""
    return any(
        word in PRONOUNS or (word in PERSON and at > 0 and words[at - 1] in FUNCTION)
        for at, word in enumerate(words)
    )


def certainty_of(strength: float) -> float:
    """Read a name's strength as the certainty that this topic is meant: half a name is nearly enough."""
    return 1.0 if strength >= 0.75 else 0.4 + 0.6 * strength if strength >= 0.4 else strength
