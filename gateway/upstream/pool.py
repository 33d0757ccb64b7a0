"""Servers of one model's weights: they share its load and step in for one another. Knows no topics.

A conversation goes to the same server again while that has room, so that its prefix cache serves the next round.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any, TypeVar

from gateway.errors import UnknownModel, UpstreamBusy, UpstreamError
from gateway.telemetry.upstreams import ServerStanding
from gateway.upstream.failing import pause_s, repeatable
from gateway.upstream.protocol import Capabilities, ChatRequest, Completion, EmbeddingRequest, Embeddings, Send
from gateway.upstream.server import Server

__all__ = ["Patience", "Pool"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often one request is tried again, and how long the pause before may be, seconds."""

    retries: int = 2
    most_pause_s: float = 10.0


class Pool:
    """An upstream made of servers that count as one: by ``weights``, or a single one by itself.

    What one server can do beyond a plain answer all have to be able to do. ``chance`` draws the pauses.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        weights: str | None = None,
        patience: Patience | None = None,
        chance: Random | None = None,
    ) -> None:
        if not servers or (weights is None and len(servers) > 1):
            raise ValueError("a pool has one server, or several of the same named weights")
        self.servers = tuple(servers)
        self._weights = weights
        self._patience = patience or Patience()
        self._chance = chance or Random()  # noqa: S311 - spreads callers in time
        able = [server.upstream.capabilities for server in servers]
        self.capabilities = Capabilities(
            several_choices=all(one.several_choices for one in able),
            banned_words=all(one.banned_words for one in able),
            every_spelling=all(one.every_spelling for one in able),
        )

    def serves(self, model: str) -> bool:
        """Say whether any of them may be asked for this model."""
        return any(server.serves(model) for server in self.servers)

    def available(self, model: str) -> bool:
        """Say whether one of them would be asked now."""
        return any(server.serves(model) and server.breaker.admits for server in self.servers)

    def fingerprint(self, model: str) -> str:
        """Name the weights and the model, where they are named; else the server and the model."""
        if self._weights is None:
            return self.servers[0].fingerprint(model)
        return hashlib.sha256(json.dumps(["weights", self._weights, model]).encode()).hexdigest()[:16]

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask one server, and another or the same again where that is safe."""
        return await self._tried(request.model, lambda: _opening(request), lambda server: server.complete(request))

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """The same, piece by piece; once a piece has come, no other server is asked."""
        return await self._tried(
            request.model, lambda: _opening(request), lambda server: server.stream(request, send)
        )

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """The same for vectors."""
        return await self._tried(request.model, str, lambda server: server.embed(request))

    async def models(self) -> tuple[str, ...]:
        """Name the models of all servers. Raises ``UpstreamError`` where none of them answers."""
        found = await asyncio.gather(*(server.listed() for server in self.servers), return_exceptions=True)
        named = [one for one in found if not isinstance(one, BaseException)]
        for one in found:
            if isinstance(one, BaseException) and not (named and isinstance(one, UpstreamError)):
                raise one
        configured = [server.models for server in self.servers]
        return tuple(dict.fromkeys(name for names in (*configured, *named) for name in names))

    def standings(self) -> Iterator[ServerStanding]:
        """Say how each server does."""
        return (server.standing for server in self.servers)

    async def aclose(self) -> None:
        """Close the connections."""
        for server in self.servers:
            await server.upstream.aclose()

    async def _tried(self, model: str, opening: Callable[[], str], ask: Callable[[Server], Awaitable[T]]) -> T:
        failed: set[Server] = set()
        for attempt in count(1):
            server = self._chosen(model, opening, failed)
            try:
                return await ask(server)
            except UpstreamError as error:
                failed.add(server)
                pause = self._pause_s(error, attempt, fresh=self._others(model, failed))
                if pause is None:
                    raise
                server.retries += 1
            await asyncio.sleep(pause)
        raise RuntimeError("an endless count ended")

    def _pause_s(self, error: UpstreamError, attempt: int, *, fresh: bool) -> float | None:
        """Say when to try again, None for never; another server is asked at once."""
        if isinstance(error, UpstreamBusy):
            return 0.0 if fresh else None
        if attempt > self._patience.retries or not repeatable(error):
            return None
        return 0.0 if fresh else pause_s(error, attempt, self._patience.most_pause_s, self._chance)

    def _others(self, model: str, failed: set[Server]) -> bool:
        return any(one.serves(model) and one.breaker.admits and one not in failed for one in self.servers)

    def _chosen(self, model: str, opening: Callable[[], str], failed: set[Server]) -> Server:
        """Take the server that this conversation goes to, or the least busy one where that has no room."""
        serving = [server for server in self.servers if server.serves(model)]
        if len(serving) == 1:
            return serving[0]
        if not serving:
            raise UnknownModel("there is no such model; GET /v1/models lists them", param="model")
        able = [one for one in serving if one.breaker.admits and one not in failed]
        able = able or [one for one in serving if one.breaker.admits] or serving
        said = opening()
        usual = max(able, key=lambda one: _draw(one.name, said))
        return usual if not usual.gate.full else min(able, key=lambda one: one.gate.load)


def _opening(request: ChatRequest) -> str:
    """Give what all rounds of one conversation have in common: all up to the first word of its user."""
    said: list[Any] = []
    for message in request.messages:
        said.append(message.get("content"))
        if message.get("role") == "user":
            break
    return repr(said)


def _draw(name: str, opening: str) -> bytes:
    """Draw a number for each server, the same for the same conversation: the highest has it."""
    return hashlib.sha256(f"{name}\n{opening}".encode("utf-8", "replace")).digest()
