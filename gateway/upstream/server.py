"""One server behind its queue and its breaker. Knows neither other servers nor topics."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from gateway.errors import UpstreamBusy, UpstreamError, UpstreamRejected
from gateway.telemetry.upstreams import ServerStanding
from gateway.upstream.breaker import Breaker
from gateway.upstream.failing import servers_fault
from gateway.upstream.gate import Gate
from gateway.upstream.protocol import (
    ChatRequest,
    Completion,
    EmbeddingRequest,
    Embeddings,
    Send,
    Upstream,
    embedder,
    streamed,
)

__all__ = ["Server"]

T = TypeVar("T")


class Server:
    """A named upstream. ``models`` maps clients' names to its own; empty: it is asked for any model, as named."""

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        *,
        gate: Gate,
        breaker: Breaker,
        models: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.upstream = upstream
        self.models = models or {}
        self.gate = gate
        self.breaker = breaker
        self.retries = 0

    def serves(self, model: str) -> bool:
        """Say whether it may be asked for this model."""
        return not self.models or model in self.models

    def fingerprint(self, model: str) -> str:
        """Name server and model."""
        return self.upstream.fingerprint(self.models.get(model, model))

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask, by the server's name for the model; a renamed one's answer goes by the client's."""
        own = self.models.get(request.model, request.model)
        if own == request.model:
            return await self._guarded(lambda: self.upstream.complete(request))
        completion = await self._guarded(lambda: self.upstream.complete(replace(request, model=own)))
        return replace(completion, model=request.model)

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """The same, piece by piece."""
        own = replace(request, model=self.models.get(request.model, request.model))
        completion = await self._guarded(lambda: streamed(self.upstream, own, send))
        return completion if own.model == request.model else replace(completion, model=request.model)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Ask for vectors. Raises ``InvalidInput`` where the upstream makes none."""
        makes = embedder(self.upstream)
        own = replace(request, model=self.models.get(request.model, request.model))
        return await self._guarded(lambda: makes.embed(own))

    async def listed(self) -> tuple[str, ...]:
        """Name its models for clients: the configured ones if it answers at all, else those that it lists.

        Past the queue, so that a busy gateway can be looked at; not past a breaker that is open.
        """
        if self.breaker.state == "open":
            raise self._left_alone()
        try:
            named = await self.upstream.models()
        except UpstreamRejected as error:
            if not self.models or servers_fault(error):
                raise
            named = ()  # a server without that endpoint
        return tuple(self.models) or named

    @property
    def standing(self) -> ServerStanding:
        """Say how it does."""
        gate, state = self.gate, self.breaker.state
        return ServerStanding(self.name, state, gate.running, gate.waiting, self.retries, gate.refused)

    async def _guarded(self, ask: Callable[[], Awaitable[T]]) -> T:
        async with self.gate:
            # Asked after the wait: what has waited must not run into a dead server.
            if not self.breaker.admits:
                raise self._left_alone()
            self.breaker.enter()
            try:
                answer = await ask()
            except UpstreamError as error:
                self.breaker.failed() if servers_fault(error) else self.breaker.succeeded()
                raise
            except BaseException:
                self.breaker.undecided()
                raise
            self.breaker.succeeded()
            return answer

    def _left_alone(self) -> UpstreamBusy:
        wait_s = max(1, math.ceil(self.breaker.wait_s))
        return UpstreamBusy("the model server keeps failing and is left alone for a while", retry_after_s=wait_s)
