"""Monitor mode: what topics and verifiers would have done to an answer that has gone out. Withholds nothing.

A monitored topic is judged by the enforced verifiers, as if it were enforced; a monitored verifier judges by
itself what is enforced and monitored. Neither is part of what a certificate binds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from gateway.errors import LetheError
from gateway.guard.channels import judged, verifiable
from gateway.guard.conversation import Conversation, read_conversation
from gateway.guard.policy import Open, Panel, Policy, ReleaseRule, ZeroEvidence
from gateway.guard.private import sealed
from gateway.guard.release import goes_out
from gateway.guard.screen import Screen, bounded
from gateway.store.records import ForgetTopic
from gateway.threads import apart
from gateway.upstream.protocol import ChatRequest, Choice
from verifiers.combine import Worst, about
from verifiers.protocol import Abstained, Exchange, Judge, Topic, Verdict, Verifier

__all__ = ["Seen", "Watching", "Would", "watching"]

Would: TypeAlias = Literal["withhold", "release", "unjudged"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one monitored topic, by its metrics' id, or verifier, by its name, would have done to an answer."""

    kind: Literal["topic", "verifier"]
    id: str
    would: Would


@dataclass(frozen=True, slots=True)
class _Ready:
    """Judges prepared for everything that is enforced or monitored."""

    screen: Screen
    sealed: frozenset[str]
    always: Mapping[str, Judge]
    where_touched: Mapping[str, Judge]


class Watching:
    """What is monitored under one policy. Its indexes are built at the first look, outside the event loop."""

    def __init__(self, topics: Sequence[ForgetTopic], panel: Panel, *, verify_timeout_s: float | None) -> None:
        self._watched = {topic.topic.id: topic for topic in topics if topic.monitored}
        self._topics = tuple(_as_if_active(topic) for topic in topics)
        self._panel = panel
        self._timeout_s = verify_timeout_s
        self._making = asyncio.Lock()
        self._ready: _Ready | None = None

    async def look(
        self,
        request: ChatRequest,
        choices: Sequence[Choice],
        rule: ReleaseRule,
        *,
        enforced: Collection[str],
        most_chars: int,
    ) -> tuple[Seen, ...]:
        """Say what each monitored topic that is not ``enforced`` for this client, and each verifier, would do.

        Where no certificate gives a threshold, an answer with any trace counts as withheld.
        """
        async with self._making:
            if self._ready is None:
                self._ready = await apart(self._prepared)
            ready = self._ready
        topics = {id_: topic for id_, topic in self._watched.items() if id_ not in enforced}
        held = ZeroEvidence("nothing is enforced") if isinstance(rule, Open) else rule
        try:
            said = read_conversation(request, most_chars=most_chars)
            exchanges = [said.exchange(judged(verifiable(choice))) for choice in choices]
        except LetheError:  # what cannot be read would not have been answered, or not as it was
            return tuple(self._all(topics, "unjudged"))
        looks = [await self._looked(ready, said, exchange, topics, held) for exchange in exchanges]
        return tuple(_worst(seen) for seen in zip(*looks, strict=True))

    def _all(self, topics: Mapping[str, ForgetTopic], would: Would) -> Iterable[Seen]:
        yield from (Seen("topic", topic.metrics_id, would) for topic in topics.values())
        yield from (Seen("verifier", one.name, would) for one in self._verifiers)

    @property
    def _verifiers(self) -> tuple[Verifier, ...]:
        return (*self._panel.monitored, *self._panel.monitored_screened)

    def _prepared(self) -> _Ready:
        policy = Policy.prepare(0, self._topics, self._panel, verify_timeout_s=self._timeout_s)
        if policy.screen is None:
            raise ValueError("something monitored needs a topic")
        plain = tuple(t.topic for t in self._topics if t.active and isinstance(t.topic, Topic))

        def judges(verifiers: Iterable[Verifier]) -> dict[str, Judge]:
            return {one.name: self._judge(one, plain, policy.topics) for one in verifiers}

        shut = frozenset(topic.id for topic in sealed(self._panel.key, self._topics))
        return _Ready(policy.screen, shut, judges(self._panel.monitored), judges(self._panel.monitored_screened))

    def _judge(self, verifier: Verifier, plain: Sequence[Topic], topics: Collection[str]) -> Judge:
        return bounded(about(Worst((verifier,)).prepare(plain), frozenset(topics)), self._timeout_s)

    async def _looked(
        self,
        ready: _Ready,
        said: Conversation,
        exchange: Exchange,
        topics: Mapping[str, ForgetTopic],
        rule: ReleaseRule,
    ) -> list[Seen]:
        touched = bool(await ready.screen.touched(said.text)) or said.opaque
        seen: list[Seen] = []
        if topics:
            verdict = said.counted(await ready.screen.judge(touched=touched)(exchange))
            for id_, topic in topics.items():
                would = "unjudged" if id_ in ready.sealed else _would(_of(verdict, id_), rule)
                seen.append(Seen("topic", topic.metrics_id, would))
        for name, judge in ready.always.items():
            seen.append(Seen("verifier", name, _would(said.counted(await judge(exchange)), rule)))
        for name, judge in ready.where_touched.items():
            asked = _would(said.counted(await judge(exchange)), rule) if touched else "release"
            seen.append(Seen("verifier", name, asked))
        return seen


def watching(topics: Sequence[ForgetTopic], panel: Panel, *, verify_timeout_s: float | None) -> Watching | None:
    """Watch what is monitored; None where nothing is, or no topic is there to look for."""
    watched = any(topic.monitored for topic in topics)
    verifiers = (panel.monitored or panel.monitored_screened) and any(topic.active for topic in topics)
    return Watching(topics, panel, verify_timeout_s=verify_timeout_s) if watched or verifiers else None


def _as_if_active(topic: ForgetTopic) -> ForgetTopic:
    return replace(topic, active=True, monitored=False) if topic.monitored else topic


def _of(verdict: Verdict, topic_id: str) -> float | None:
    """Give what the evidence about one topic is worth; None where nothing was judged."""
    if isinstance(verdict, Abstained):
        return None
    return max((piece.leakage for piece in verdict.evidence if piece.topic_id == topic_id), default=0.0)


def _would(found: Verdict | float | None, rule: ReleaseRule) -> Would:
    score = found if isinstance(found, float) or found is None else _score(found)
    if score is None:
        return "unjudged"
    return "release" if goes_out(score, rule) else "withhold"


def _score(verdict: Verdict) -> float | None:
    return None if isinstance(verdict, Abstained) else verdict.leakage


def _worst(seen: Sequence[Seen]) -> Seen:
    """Put the choices of one answer together: one that would be withheld withholds it."""
    woulds = {one.would for one in seen}
    worst = next(would for would in _BY_WEIGHT if would in woulds)
    return replace(seen[0], would=worst)


_BY_WEIGHT: tuple[Would, ...] = ("withhold", "unjudged", "release")
