"""One model of an upstream, whatever name a request has. Knows no routes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from gateway.errors import UpstreamUnreachable
from gateway.telemetry.upstreams import ServerStanding
from gateway.upstream.protocol import (
    Capabilities,
    ChatRequest,
    Completion,
    EmbeddingRequest,
    Embeddings,
    Observed,
    Send,
    Upstream,
    embedder,
    streamed,
)

__all__ = ["Pinned"]


class Pinned:
    """An upstream that always asks for ``model``. Its errors name neither the server nor the model."""

    def __init__(self, upstream: Upstream, model: str) -> None:
        self._upstream = upstream
        self._model = model

    @property
    def capabilities(self) -> Capabilities:
        """The upstream's."""
        return self._upstream.capabilities

    def fingerprint(self, model: str) -> str:
        """Name the pinned model, whatever is asked."""
        return self._upstream.fingerprint(self._model)

    async def complete(self, request: ChatRequest) -> Completion:
        """Ask for the pinned model; the answer goes by the name that was asked for."""
        with _nameless():
            completion = await self._upstream.complete(replace(request, model=self._model))
        return replace(completion, model=request.model)

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """Ask for the pinned model, piece by piece."""
        with _nameless():
            completion = await streamed(self._upstream, replace(request, model=self._model), send)
        return replace(completion, model=request.model)

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Ask for the pinned model's embeddings. Raises ``InvalidInput`` where it makes none."""
        with _nameless():
            return await embedder(self._upstream).embed(replace(request, model=self._model))

    def standings(self) -> Iterable[ServerStanding]:
        """The upstream's, if it says any."""
        return self._upstream.standings() if isinstance(self._upstream, Observed) else ()

    async def models(self) -> tuple[str, ...]:
        """The pinned one."""
        return (self._model,)

    async def aclose(self) -> None:
        """Close the upstream."""
        await self._upstream.aclose()


@contextmanager
def _nameless() -> Iterator[None]:
    try:
        yield
    except UpstreamUnreachable as error:  # whose own words name the default upstream's setting
        raise UpstreamUnreachable(
            "the model's server cannot be reached or broke off", answer_begun=error.answer_begun
        ) from error
