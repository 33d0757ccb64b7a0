"""Several upstreams behind one gateway, by the names of their models and in their order. Knows no topics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gateway.errors import UnknownModel, UpstreamError
from gateway.telemetry.upstreams import ServerStanding
from gateway.upstream.pool import Pool
from gateway.upstream.protocol import (
    Capabilities,
    ChatRequest,
    Completion,
    EmbeddingRequest,
    Embeddings,
    Send,
    Upstream,
    embedder,
    streamed,
)
from gateway.upstream.server import Server

__all__ = ["Several"]


class Several:
    """Pools in the order in which they are asked. A model that none of them names goes to those that name none.

    Two pools are two generators: whoever answers by one must go by its fingerprint, so nothing here passes from
    one to the next. ``generators`` says which there are for a model; for ``MODEL@SERVER`` that server's alone.
    """

    def __init__(self, pools: Sequence[Pool]) -> None:
        if not pools:
            raise ValueError("there must be at least one pool of servers")
        self._pools = tuple(pools)
        self._addressed = {
            server.name: _Addressed(pool, server.name) for pool in pools for server in pool.servers if server.name
        }
        self._named = frozenset(model for pool in pools for server in pool.servers for model in server.models)

    @property
    def servers(self) -> tuple[Server, ...]:
        """All servers, in the configured order of their pools."""
        return tuple(server for pool in self._pools for server in pool.servers)

    @property
    def capabilities(self) -> Capabilities:
        """The first pool's."""
        return self._pools[0].capabilities

    def generators(self, model: str) -> tuple[Upstream, ...]:
        """Give what can answer for the model: in the configured order, those that keep failing last.

        Raises ``UnknownModel``.
        """
        plain, at, server = model.rpartition("@")
        if at and model not in self._named and server in self._addressed:
            addressed = self._addressed[server]
            if addressed.pool.serves(plain):
                return (addressed,)
        named = model in self._named
        found = [
            pool
            for pool in self._pools
            if any(server.serves(model) and (not named or server.models) for server in pool.servers)
        ]
        if not found:
            raise UnknownModel("there is no such model; GET /v1/models lists them", param="model")
        return tuple(sorted(found, key=lambda pool: not pool.available(model)))

    def fingerprint(self, model: str) -> str:
        """Name the generator that is asked first."""
        return self.generators(model)[0].fingerprint(model)

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask the first generator, and no other: that would be another model."""
        return await self.generators(request.model)[0].complete(request)

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """The same, piece by piece."""
        return await streamed(self.generators(request.model)[0], request, send)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """The same for vectors, which no other model's can stand in for."""
        return await embedder(self.generators(request.model)[0]).embed(request)

    async def models(self) -> tuple[str, ...]:
        """Name the models of all pools. Raises ``UpstreamError`` where none of them answers."""
        found = await asyncio.gather(*(pool.models() for pool in self._pools), return_exceptions=True)
        answers = [one for one in found if not isinstance(one, BaseException)]
        for one in found:
            if isinstance(one, BaseException) and not (answers and isinstance(one, UpstreamError)):
                raise one
        listed = (name for names in answers for name in names)
        configured = (name for pool in self._pools for server in pool.servers for name in server.models)
        return tuple(dict.fromkeys((*configured, *listed)))

    def standings(self) -> Iterator[ServerStanding]:
        """Say how every server does."""
        return (standing for pool in self._pools for standing in pool.standings())

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            await pool.aclose()


class _Addressed:
    """One pool, asked for by a server's name after the model's."""

    def __init__(self, pool: Pool, server: str) -> None:
        self.pool = pool
        self.capabilities = pool.capabilities
        self._suffix = f"@{server}"

    def fingerprint(self, model: str) -> str:
        """Give the pool's for the plain name: what is certified here is certified there."""
        return self.pool.fingerprint(model.removesuffix(self._suffix))

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask by the plain name; the answer goes by the name that was asked for."""
        plain = replace(request, model=request.model.removesuffix(self._suffix))
        return replace(await self.pool.complete(plain), model=request.model)

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """The same, piece by piece."""
        plain = replace(request, model=request.model.removesuffix(self._suffix))
        return replace(await self.pool.stream(plain, send), model=request.model)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """The same for vectors."""
        return await self.pool.embed(replace(request, model=request.model.removesuffix(self._suffix)))

    async def models(self) -> tuple[str, ...]:
        """Name the pool's models."""
        return await self.pool.models()

    async def aclose(self) -> None:
        """Nothing of its own is open."""
