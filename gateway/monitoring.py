"""Looking at answers after they have gone out, for what is in monitor mode. Withholds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from gateway.guard.policy import ReleaseRule
from gateway.guard.watching import Watching
from gateway.in_force import Served
from gateway.logs import Report
from gateway.telemetry.metrics import Metrics
from gateway.upstream.protocol import ChatRequest, Choice

__all__ = ["Monitoring", "monitoring"]

_MOST_WAITING: Final = 256
"""Answers that wait to be looked at; beyond that they are counted as not looked at, and nobody waits for them."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """One answer, with what decided that it goes out."""

    watching: Watching
    request: ChatRequest
    choices: tuple[Choice, ...]
    rule: ReleaseRule
    enforced: frozenset[str]
    revision: int


class Monitoring:
    """One process's looks, one at a time, so that they take no more than one core's turn."""

    def __init__(self, metrics: Metrics, report: Report, *, most_chars: int) -> None:
        self._metrics = metrics
        self._report = report
        self._most_chars = most_chars
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(_MOST_WAITING)

    def offer(self, request: ChatRequest, choices: Sequence[Choice], served: Served) -> None:
        """Take an answer that goes out, where anything is monitored. Never waits and never raises."""
        if served.watching is None:
            return
        policy = served.policy
        one = _Waiting(
            served.watching, request, tuple(choices), served.rule, frozenset(policy.topics), policy.revision
        )
        try:
            self._waiting.put_nowait(one)
        except asyncio.QueueFull:
            self._metrics.not_monitored()

    async def settled(self) -> None:
        """Wait until everything that was offered has been looked at."""
        await self._waiting.join()

    async def run(self) -> None:
        """Look at what is offered, until cancelled."""
        while True:
            one = await self._waiting.get()
            try:
                await self._look(one)
            except Exception as error:  # a look that fails must not end the others; its message may quote
                self._metrics.not_monitored()
                self._report("monitoring_failed", {"kind": type(error).__name__, "revision": one.revision})
            finally:
                self._waiting.task_done()

    async def _look(self, one: _Waiting) -> None:
        found = await one.watching.look(
            one.request, one.choices, one.rule, enforced=one.enforced, most_chars=self._most_chars
        )
        for seen in found:
            self._metrics.monitored(seen.kind, seen.id, seen.would)
            if seen.would != "release":
                self._report(
                    "monitored",
                    {"kind": seen.kind, "id": seen.id, "would": seen.would, "revision": one.revision},
                )


@asynccontextmanager
async def monitoring(metrics: Metrics, report: Report, *, most_chars: int) -> AsyncIterator[Monitoring]:
    """Look inside the block; what still waits at its end is dropped."""
    made = Monitoring(metrics, report, most_chars=most_chars)
    running = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
