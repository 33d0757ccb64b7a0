"""The judge: a chat model says whether an answer reveals a topic. Knows no thresholds and no transport."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Protocol

from verifiers.embedding.embedder import TooManyWindows
from verifiers.identity import fingerprint_of
from verifiers.protocol import Abstained, Evidence, Exchange, Scored, Span, Topic, Verdict
from verifiers.readers.reply import Answered, Reply, Unanswered
from verifiers.readers.rubric import RUBRIC_VERSION, messages_for
from verifiers.readers.selection import ByMention, Select, Selection
from verifiers.statements import telling_words

__all__ = ["Asked", "AskedModel"]

_REVISION: Final = "1"


class Asked(Protocol):
    """A chat model that answers the rubric. Works in any event loop; never raises but for cancellation."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever an answer could change, as far as can be known from here."""
        ...

    @property
    def structured(self) -> bool:
        """Say whether it is asked for a JSON object rather than for one word."""
        ...

    async def ask(self, messages: Sequence[Mapping[str, str]]) -> Reply:
        """Put the question."""
        ...


class AskedModel:
    """Scores an answer by the probability with which a chat model says that it gives a topic away.

    Asks once for each topic that ``selection`` chooses, with a fixed rubric in which everything from the exchange
    is fenced as data; without probabilities of tokens the score is 0 or 1. Abstains where the model refuses, says
    neither yes nor no, or is late; where more than ``most_topics`` topics would have to be asked about; and where
    the answer or a topic's statements are longer than ``most_chars``. The last ``cached`` verdicts are kept, by
    digest alone.
    """

    name = "judge"

    def __init__(
        self,
        model: Asked,
        *,
        selection: Selection | None = None,
        most_topics: int = 4,
        most_chars: int = 20_000,
        cached: int = 4_096,
    ) -> None:
        if most_topics < 1 or most_chars < 1 or cached < 0:
            raise ValueError("most_topics and most_chars must be positive, cached not negative")
        self._model = model
        self._selection: Selection = selection or ByMention()
        self._limits = _Limits(most_topics, most_chars)
        self._cache = _Cache(cached)

    @property
    def fingerprint(self) -> str:
        """See `Verifier`. A server that swaps the model under one name is not noticed."""
        parts = [self._model.fingerprint, self._selection.fingerprint, RUBRIC_VERSION]
        limits = self._limits
        return fingerprint_of(
            self.name, _REVISION, parts=parts, most_topics=limits.most_topics, most_chars=limits.most_chars
        )

    def prepare(self, topics: Sequence[Topic]) -> _AskingJudge:
        """Index the topics for the selection."""
        return _AskingJudge(self._model, self._selection.prepare(topics), tuple(topics), self._limits, self._cache)


@dataclass(frozen=True, slots=True)
class _Limits:
    most_topics: int
    most_chars: int


@dataclass(slots=True)
class _Cache:
    """The newest verdicts by digest of what was asked. Holds no text."""

    size: int
    lock: Lock = field(default_factory=Lock)
    known: OrderedDict[bytes, float] = field(default_factory=OrderedDict)

    def get(self, key: bytes) -> float | None:
        with self.lock:
            if key in self.known:
                self.known.move_to_end(key)
            return self.known.get(key)

    def put(self, key: bytes, probability: float) -> None:
        with self.lock:
            self.known[key] = probability
            while len(self.known) > self.size:
                self.known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _AskingJudge:
    model: Asked
    select: Select
    topics: tuple[Topic, ...]
    limits: _Limits
    cache: _Cache

    async def __call__(self, exchange: Exchange) -> Verdict:
        if not exchange.answer.strip():
            return Scored(0.0)
        try:
            chosen = await asyncio.to_thread(self.select, exchange)
        except (TooManyWindows, FloatingPointError) as error:
            return Abstained(str(error))
        if len(chosen) > self.limits.most_topics:
            return Abstained(f"{len(chosen)} topics to ask about, of which {self.limits.most_topics} are allowed")
        topics = [self.topics[at] for at in chosen]
        if max((_chars(exchange, topic) for topic in topics), default=0) > self.limits.most_chars:
            return Abstained(f"more than {self.limits.most_chars} characters to ask about")
        replies = await asyncio.gather(*(self._ask(exchange, topic) for topic in topics))
        return _verdict(exchange, topics, replies)

    async def _ask(self, exchange: Exchange, topic: Topic) -> Reply:
        messages = messages_for(exchange, topic, structured=self.model.structured)
        key = hashlib.sha256(json.dumps(messages).encode()).digest()
        known = self.cache.get(key)
        if known is not None:
            return Answered(known, graded=True)
        reply = await self.model.ask(messages)
        if isinstance(reply, Answered):
            self.cache.put(key, reply.probability)
        return reply


def _verdict(exchange: Exchange, topics: Sequence[Topic], replies: Sequence[Reply]) -> Verdict:
    evidence: list[Evidence] = []
    for topic, reply in zip(topics, replies, strict=True):
        if isinstance(reply, Unanswered):
            return Abstained(reply.reason)
        leakage = round(reply.probability, 6)
        if leakage > 0:
            span = Span(0, len(exchange.answer))
            reason = f"the judge says yes with probability {leakage:.2f}"
            evidence.append(Evidence(topic.id, "judge", leakage, reason, (span,), telling_words(exchange, span)))
    evidence.sort(key=lambda each: (-each.leakage, each.topic_id))
    return Scored(evidence[0].leakage if evidence else 0.0, tuple(evidence))


def _chars(exchange: Exchange, topic: Topic) -> int:
    said = (topic.name, topic.description, *topic.aliases, *topic.facts)
    return len(exchange.answer) + sum(map(len, said))
