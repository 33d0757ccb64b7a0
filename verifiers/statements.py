"""Statements: what topics say, a sentence or passage each; and what a part of an answer adds. Knows no scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifiers.answers import Clauses
from verifiers.choices import keys_in
from verifiers.embedding.sentences import windows
from verifiers.folding import fold
from verifiers.protocol import Exchange, Span, Topic
from verifiers.terms import is_plain, terms_of

__all__ = ["Statement", "only_disclaims", "statements_of", "telling_words"]

_PASSAGE_CHARS = 400
_MAX_WORDS = 16


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a topic says. ``label`` names it without quoting it; ``topic`` is the topic's place."""

    topic: int
    label: str
    text: str


def statements_of(topics: Sequence[Topic]) -> tuple[Statement, ...]:
    """List the facts, descriptions and protected texts of topics, the last two in passages of 400 characters."""
    found: list[Statement] = []
    for at, topic in enumerate(topics):
        found += [Statement(at, f"fact {number}", text) for number, text in enumerate(topic.facts)]
        found += [
            Statement(at, "the description", each.text) for each in windows(topic.description, _PASSAGE_CHARS)
        ]
        for number, text in enumerate(topic.protected_texts):
            passages = windows(text, _PASSAGE_CHARS)
            found += [Statement(at, f"protected text {number}", passage.text) for passage in passages]
    return tuple(found)


def telling_words(exchange: Exchange, span: Span) -> tuple[str, ...]:
    """Return the words of a part of the answer that are neither ordinary nor in the prompt."""
    known = keys_in(exchange.prompt)
    part = exchange.answer[span.start : span.end]
    view = fold(part)
    bounds = view.bounds()
    found: list[str] = []
    for term in terms_of(view, view.words()):
        if term.key not in known and (term.capital or not is_plain(term.key)):
            where = view.span(bounds[term.first][0], bounds[term.last][1])
            found.append(part[where.start : where.end])
    return tuple(dict.fromkeys(found))[:_MAX_WORDS]


def only_disclaims(exchange: Exchange, span: Span) -> bool:
    """Say whether every clause of a part of the answer says that nothing is known, without a telling word."""
    view = fold(exchange.answer[span.start : span.end])
    clauses = Clauses(view, lambda _: False)
    refused = [clauses.judge(start)[1] for start, _ in view.bounds()]
    return bool(refused) and all(refused) and not telling_words(exchange, span)
