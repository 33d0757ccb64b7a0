"""The entailment verifier: does an answer imply what a topic says? Knows no thresholds and no checkpoint."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from verifiers.embedding.embedder import TooManyWindows
from verifiers.embedding.sentences import Sentence, tail, windows
from verifiers.identity import fingerprint_of
from verifiers.protocol import Abstained, Evidence, Exchange, Scored, Topic, Verdict
from verifiers.readers.selection import ByMention, Select, Selection
from verifiers.statements import Statement, statements_of, telling_words

__all__ = ["Entailing", "Entailment", "TooLongToRead", "news_of"]

_REVISION: Final = "1"
_CONTEXT_CHARS: Final = 300
_ROOM: Final = 0.1


class TooLongToRead(ValueError):
    """A pair of texts is longer than what the model reads at once."""


class Entailing(Protocol):
    """Says how surely a premise implies a hypothesis. Deterministic; safe to call from several threads."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever a probability could change."""
        ...

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Return P(entailment) for each (premise, hypothesis). Raises ``TooLongToRead``: nothing is cut off."""
        ...


def news_of(told: float, asked: float) -> float:
    """Take off what the question implies: max(0, told - asked) / max(1 - asked, 0.1), in [0, 1].

    Rises with what question and answer imply together and falls with what the question implies alone.
    """
    return min(1.0, max(0.0, told - asked) / max(1.0 - asked, _ROOM))


class Entailment:
    """Scores an answer by the probability that the question and it together imply a statement of a topic.

    The premise is the end of the question and up to ``window_chars`` characters of the answer, which slide by
    sentences; what the question alone implies is taken off (see `news_of`). Read are the statements of the topics
    that ``selection`` chooses. Abstains where that makes more than ``most_pairs`` pairs, and where a pair is too
    long for the model. Sees nothing of a topic that is a name alone.
    """

    name = "entailment"

    def __init__(
        self,
        model: Entailing,
        *,
        selection: Selection | None = None,
        window_chars: int = 600,
        most_pairs: int = 256,
    ) -> None:
        if window_chars < 1 or most_pairs < 1:
            raise ValueError(f"window_chars and most_pairs must be positive, got {window_chars} and {most_pairs}")
        self._model = model
        self._selection: Selection = selection or ByMention()
        self._limits = _Limits(window_chars, most_pairs)

    @property
    def fingerprint(self) -> str:
        """See `Verifier`."""
        parts = [self._model.fingerprint, self._selection.fingerprint]
        limits = self._limits
        return fingerprint_of(
            self.name, _REVISION, parts=parts, window_chars=limits.window_chars, most_pairs=limits.most_pairs
        )

    def prepare(self, topics: Sequence[Topic]) -> _EntailmentJudge:
        """List what the topics say."""
        by_topic: dict[int, list[Statement]] = {}
        for statement in statements_of(topics):
            by_topic.setdefault(statement.topic, []).append(statement)
        ids = tuple(topic.id for topic in topics)
        return _EntailmentJudge(self._model, self._selection.prepare(topics), by_topic, ids, self._limits)


@dataclass(frozen=True, slots=True)
class _Limits:
    window_chars: int
    most_pairs: int


@dataclass(frozen=True, slots=True)
class _EntailmentJudge:
    model: Entailing
    select: Select
    by_topic: dict[int, list[Statement]]
    ids: tuple[str, ...]
    limits: _Limits

    async def __call__(self, exchange: Exchange) -> Verdict:
        if not self.by_topic or not exchange.answer.strip():
            return Scored(0.0)
        return await asyncio.to_thread(self._judge, exchange)

    def _judge(self, exchange: Exchange) -> Verdict:
        try:
            chosen = self.select(exchange)
            statements = [each for topic in chosen for each in self.by_topic.get(topic, ())]
            pieces = windows(exchange.answer, self.limits.window_chars)
            pairs = (1 + len(pieces)) * len(statements)
            if pairs > self.limits.most_pairs:
                return Abstained(f"{pairs} pairs to read, of which {self.limits.most_pairs} are allowed")
            evidence = self._read(exchange, pieces, statements) if statements else []
        except (TooManyWindows, TooLongToRead, FloatingPointError) as error:
            return Abstained(str(error))
        evidence.sort(key=lambda each: (-each.leakage, each.topic_id, each.reason))
        return Scored(evidence[0].leakage if evidence else 0.0, tuple(evidence))

    def _read(
        self, exchange: Exchange, pieces: Sequence[Sentence], statements: Sequence[Statement]
    ) -> list[Evidence]:
        context = tail(exchange.question, _CONTEXT_CHARS)
        premises = [context, *(f"{context} {piece.text}".strip() for piece in pieces)]
        pairs = [(premise, each.text) for each in statements for premise in premises]
        found = self.model.probabilities(pairs)
        if len(found) != len(pairs) or not all(math.isfinite(p) and 0.0 <= p <= 1.0 for p in found):
            raise FloatingPointError("the entailment model gives something that is no probability")
        evidence = []
        for number, statement in enumerate(statements):
            asked, *told = found[number * len(premises) : (number + 1) * len(premises)]
            asked = asked if context else 0.0
            best = max(range(len(told)), key=lambda at: told[at])
            leakage = round(news_of(told[best], asked), 6)
            if leakage > 0:
                evidence.append(self._of(exchange, statement, pieces[best], leakage, (told[best], asked)))
        return evidence

    def _of(
        self,
        exchange: Exchange,
        statement: Statement,
        piece: Sentence,
        leakage: float,
        probabilities: tuple[float, float],
    ) -> Evidence:
        told, asked = probabilities
        reason = f"implies {statement.label} with probability {told:.2f}, the question alone {asked:.2f}"
        words = telling_words(exchange, piece.span)
        return Evidence(self.ids[statement.topic], "entailment", leakage, reason, (piece.span,), words)
