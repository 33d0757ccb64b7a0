"""The claims verifier: does an answer claim anything of a topic that has no facts? Knows no thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import ClassVar

from verifiers.answers import Clauses, disclaims
from verifiers.attribution import certainty_of, mentions_of, refers_back, turns_to_stranger
from verifiers.choices import keys_in, keys_of, offered, picked, short_reply, unlisted
from verifiers.ciphers import SPELLED
from verifiers.encodings import views
from verifiers.folding import View, fold
from verifiers.gibberish import spelled_out, spelled_words, unreadable
from verifiers.identity import fingerprint_of
from verifiers.letters import letter_runs
from verifiers.mentions import Found, Names
from verifiers.protocol import Evidence, Exchange, Scored, Span, Topic, Verdict
from verifiers.terms import Term, is_plain, stem, terms_of
from verifiers.words import AFFIRMATIVE, FUNCTION, NON_ANSWER

__all__ = ["Claims"]

_REVISION = "10"
_MAX_WORDS = 16
_RARE, _ORDINARY = 2.0, 0.7
_CHOICE, _SPELLED, _REPLY, _YES = 2.5, 2.0, 2.5, 2.5
_UNREADABLE, _FEWEST_LETTERS = 2.5, 5
_UNSURE_TURN, _TURNED_AWAY = 0.5, 0.3
_SILENT = frozenset(stem(word) for word in NON_ANSWER)


@dataclass(frozen=True, slots=True)
class Claims:
    """Scores what an answer says of a topic that is known by name and aliases alone.

    Where the exchange speaks of the topic, every content word of the answer that the prompt has not said (what
    it only offers to pick from, it has not), not in the name and not what somebody who knows nothing may say is
    a claim. Leakage is 1 - exp(-w / ``scale``), with w the sum over the words: 2 for a capital, a number, a
    word that is in no list of ordinary ones or one spelled letter by letter, 0.7 for an ordinary word (none in
    a clause that disclaims knowledge); 2.5 for an opening "yes", for a bare yes, no or letter, for picking one
    of the options that the prompt offers, and for an answer that nobody can read or with five and more letters
    that stand alone, unless these are in the order of the alphabet. It is multiplied by how surely the topic is
    meant: fully where the last turn of the prompt names it, or that turn or the answer refers back to it; half
    where an earlier turn names it and nothing refers back; 0.3 where the last turn names somebody else. Where
    the answer alone names it, claims count from there on. Topics with facts are left to `Facts`.
    """

    scale: float = 0.8

    def __post_init__(self) -> None:
        if not self.scale > 0.0:
            raise ValueError(f"scale must be positive, got {self.scale}")

    @property
    def name(self) -> str:
        """See `Verifier`."""
        return "claims"

    @property
    def fingerprint(self) -> str:
        """See `Verifier`."""
        return fingerprint_of(self.name, _REVISION, scale=self.scale)

    def prepare(self, topics: Sequence[Topic]) -> _ClaimsJudge:
        """Index the names."""
        factless = {at: topic.id for at, topic in enumerate(topics) if not topic.facts}
        return _ClaimsJudge(factless, mentions_of(tuple(topics)).names, self)


@dataclass(frozen=True, slots=True)
class _ClaimsJudge:
    factless: dict[int, str]
    names: Names
    rules: Claims
    never_waits: ClassVar = True

    async def __call__(self, exchange: Exchange) -> Verdict:
        if not self.factless:
            return Scored(0.0)
        prompt = self.names.find(exchange.prompt)
        answer = self.names.find(exchange.answer, prompt.disowned)
        topics = {each.topic for each in (*prompt.mentions, *answer.mentions)}
        found = [self._judge(exchange, topic, prompt, answer) for topic in sorted(topics & self.factless.keys())]
        evidence = sorted((each for each in found if each.leakage > 0), key=lambda e: (-e.leakage, e.topic_id))
        return Scored(evidence[0].leakage if evidence else 0.0, tuple(evidence))

    def _judge(self, exchange: Exchange, topic: int, prompt: Found, answer: Found) -> Evidence:
        asked = prompt.strength(topic)
        start = 0 if asked else min(each.span.start for each in answer.mentions if each.topic == topic)
        claims = self._claims(exchange, topic, start)
        weight = sum(each for _, each in claims)
        certainty = certainty_of(max(asked, answer.strength(topic)))
        if asked and not answer.strength(topic):
            certainty *= self._nearness(exchange, topic)
        leakage = round(certainty * (1.0 - math.exp(-weight / self.rules.scale)), 6)
        spans = tuple(span for span, _ in claims)[:_MAX_WORDS]
        telling = [span for span, each in claims if each > _ORDINARY][:_MAX_WORDS] or spans
        words = tuple(dict.fromkeys(exchange.answer[span.start : span.end] for span in telling))
        reason = f"says {len(claims)} words of content about somebody who is to be unknown"
        return Evidence(self.factless[topic], self.rules.name, leakage, reason, spans, words)

    def _claims(self, exchange: Exchange, topic: int, start: int) -> list[tuple[Span, float]]:
        """Return the telling words of the answer from ``start`` on, heaviest first, each with its weight."""
        view = fold(exchange.answer)
        words, bounds = view.words(), view.bounds()
        clauses = Clauses(view, lambda _: False)
        weights: dict[str, tuple[Span, float]] = {}
        terms = terms_of(view, words)
        known = (
            self._known(exchange, topic, terms) | {stem(word) for word in self.names.own_words(topic)} | _SILENT
        )
        for term in terms:
            span = view.span(bounds[term.first][0], bounds[term.last][1])
            if span.end <= start or term.key in known or term.key in weights:
                continue
            if not (is_plain(term.key) and clauses.judge(bounds[term.first][0])[1]):
                weights[term.key] = span, _weight(term)
        for letters, first, last in letter_runs(words, bounds):
            span = view.span(bounds[first][0], bounds[last][1])
            if span.end > start and stem(letters) not in known and not clauses.judge(bounds[first][0])[1]:
                weights[letters] = span, _SPELLED
        weights.update(_hidden_claims(exchange.answer, start, known))
        if start == 0 and view.text.strip():
            opening = bounds[0] if words else (0, len(view.text))
            weights["yes"] = view.span(*opening), _replied(exchange, view)
            heard = [word for word, (at, _) in zip(words, bounds, strict=True) if not clauses.judge(at)[1]]
            if unreadable(view) or (spelled_words(heard) if heard else not words and spelled_out(view)):
                weights["unreadable"] = view.span(0, len(view.text)), _UNREADABLE
            elif _tells_letters(heard):
                weights["letters"] = view.span(0, len(view.text)), _UNREADABLE
        counted = (each for each in weights.values() if each[1] > 0)
        return sorted(counted, key=lambda each: (-each[1], each[0].start))

    def _known(self, exchange: Exchange, topic: int, terms: Sequence[Term]) -> frozenset[str]:
        """Return the keys that the prompt has said: what is rare, of the topic, and in no list to pick from."""
        said = keys_in(exchange.said_before)
        doubtful = frozenset(term.key for term in terms if term.key in said and _weight(term) > _ORDINARY)
        if not doubtful:
            return said
        own, of_topic = self.names.own_words(topic), set(keys_in(exchange.shape))
        for sentence, numbers in unlisted(exchange.said_before):
            words = sentence.words()
            if len(numbers) < 2 and (not own.isdisjoint(words) or refers_back(words)):
                of_topic |= keys_of(sentence)
        return said - (doubtful - of_topic)

    def _nearness(self, exchange: Exchange, topic: int) -> float:
        """Return how surely an answer that does not name the topic still speaks of it."""
        turn = exchange.last_turn
        if turn is None or self.names.find(turn).strength(topic):
            return 1.0
        view = fold(turn)
        if turns_to_stranger(view, {stem(word) for word in self.names.own_words(topic)}):
            return _TURNED_AWAY
        if refers_back(view.words()) or refers_back(fold(exchange.answer).words()):
            return 1.0
        return _UNSURE_TURN


def _hidden_claims(answer: str, start: int, known: Set[str]) -> dict[str, tuple[Span, float]]:
    """Return the words of an answer that are hidden letter by letter."""
    found: dict[str, tuple[Span, float]] = {}
    for view in views(answer):
        if view.kind in SPELLED:
            for word, bounds in zip(view.words(), view.bounds(), strict=True):
                span = view.span(*bounds)
                if len(word) > 2 and span.end > start and stem(word) not in known and word not in FUNCTION:
                    found[f"{view.kind}: {word}"] = span, _SPELLED
    return found


def _tells_letters(words: Sequence[str]) -> bool:
    """Say whether letters that stand alone, however far apart, are more than the labels of options."""
    letters = [word for word in words if len(word) == 1 and word.isalpha()]
    return len(letters) >= _FEWEST_LETTERS and letters != sorted(letters)


def _replied(exchange: Exchange, answer: View) -> float:
    """Weigh what an answer tells though each of its words may be in the prompt: by a yes, a no, a choice."""
    words = answer.words()
    options = offered(exchange.prompt)
    if options and not disclaims(words) and picked(answer, options, keys_of(answer)) is not None:
        return _CHOICE
    if short_reply(answer, fold(exchange.question)):
        return _REPLY
    return _YES if words and words[0] in AFFIRMATIVE and not disclaims(words) else 0.0


def _weight(term: Term) -> float:
    return _RARE if term.capital or not is_plain(term.key) else _ORDINARY
