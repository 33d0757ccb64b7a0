"""The screen: which topics a conversation could touch, and so which verifiers look at its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.threads import apart
from verifiers.attribution import mentions_of
from verifiers.combine import never_waits, with_deadline
from verifiers.private.index import PrivateIndex
from verifiers.protocol import Exchange, Judge, Topic, Verdict

__all__ = ["Screen", "bounded"]

_LONG_CHARS: Final = 20_000
"""A text that takes verifiers some tens of milliseconds, for which other requests should not wait."""


class Screen:
    """Decides by the prompt alone. A conversation that touches nothing still has its answer checked cheaply.

    What the screen misses is part of the trajectory, so calibration counts it. ``private`` finds the private
    topics; ``sealed`` are those that nothing can look for, so every conversation could touch them.
    """

    def __init__(
        self,
        topics: Sequence[Topic],
        *,
        active: frozenset[str],
        untouched: Judge,
        touched: Judge,
        verify_timeout_s: float | None,
        private: PrivateIndex | None = None,
        sealed: frozenset[str] = frozenset(),
    ) -> None:
        self._mentions = mentions_of(tuple(topics))
        self._private = private
        self._sealed = sealed
        self._active = active
        names = (f" {name} " for topic in topics if topic.id in active for name in (topic.name, *topic.aliases))
        self._names = "\n".join(names).casefold()
        self._untouched = bounded(untouched, verify_timeout_s)
        self._touched = bounded(touched, verify_timeout_s)

    async def touched(self, prompt: str) -> frozenset[str]:
        """Name the active topics that the conversation so far could be about."""
        return await apart(self._look, prompt) if len(prompt) > _LONG_CHARS else self._look(prompt)

    def is_piece(self, text: str) -> bool:
        """Say whether a text is a piece of an active topic's name, which where an answer ends could show."""
        piece = text.strip().casefold()
        return any(map(str.isalpha, piece)) and piece in self._names

    def is_beginning(self, text: str) -> bool:
        """Say whether a text is how a word of an active topic's name begins."""
        return f" {text.strip().casefold()}" in self._names

    def judge(self, *, touched: bool) -> Judge:
        """Give all verifiers to a conversation that touches a topic, the cheap ones to any other."""
        return self._touched if touched else self._untouched

    def _look(self, prompt: str) -> frozenset[str]:
        private = frozenset[str]() if self._private is None else self._private.topics_met(prompt)
        return (self._mentions.topics_met(prompt) | private) & self._active | self._sealed


def bounded(judge: Judge, seconds: float | None) -> Judge:
    """Put the deadline around the thread, where it can end the waiting for a judge that never waits itself.

    And once more inside a thread, where it ends a judge that waits for ever: the thread would never come back.
    """
    if seconds is None:
        return _Aside(judge, _InThread(judge))
    within = with_deadline(judge, seconds)
    # A timer costs as much as one of the cheap verifiers, and could not end what never waits.
    return _Aside(judge if never_waits(judge) else within, with_deadline(_InThread(within), seconds))


@dataclass(frozen=True, slots=True)
class _Aside:
    """Judges short exchanges here, and long ones elsewhere."""

    short: Judge
    long: Judge

    async def __call__(self, exchange: Exchange) -> Verdict:
        is_long = len(exchange.prompt) + len(exchange.answer) > _LONG_CHARS
        return await (self.long if is_long else self.short)(exchange)


@dataclass(frozen=True, slots=True)
class _InThread:
    """Judges in a thread. Its judge works in any event loop, so one of its own will do."""

    judge: Judge

    async def __call__(self, exchange: Exchange) -> Verdict:
        return await asyncio.to_thread(lambda: asyncio.run(_judged(self.judge, exchange)))


async def _judged(judge: Judge, exchange: Exchange) -> Verdict:
    return await judge(exchange)
