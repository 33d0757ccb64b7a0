"""Embeddings behind the policy: what touches an active topic gets no vector. Knows no HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.guard.conversation import read_conversation
from gateway.guard.screen import Screen
from gateway.upstream.protocol import ChatRequest, EmbeddingRequest, Embeddings, Upstream, embedder

__all__ = ["Embedded", "Refused", "embedded"]


@dataclass(frozen=True, slots=True)
class Refused:
    """No vector goes out: a text touches a topic, or tokens stand where a text could be read."""

    reason: Literal["touched", "unreadable"]


Embedded: TypeAlias = Embeddings | Refused


async def embedded(
    upstream: Upstream, request: EmbeddingRequest, screen: Screen | None, *, most_chars: int
) -> Embedded:
    """Embed the inputs, all or none.

    ``screen`` is None where there is nothing to look for. Raises ``InvalidInput`` for a model without
    embeddings, ``TooLarge`` for a text beyond ``most_chars``, ``UpstreamError``.
    """
    by = embedder(upstream)
    refused = None if screen is None else await _looked(screen, request, most_chars)
    return await by.embed(request) if refused is None else refused


async def _looked(screen: Screen, request: EmbeddingRequest, most_chars: int) -> Refused | None:
    """Look at each text by itself, with what else the request says: neighbours in a batch are not one text."""
    for given in request.inputs:
        if not isinstance(given, str):
            return Refused("unreadable")
        said = ChatRequest(request.model, ({"role": "user", "content": given},), request.parameters)
        if await screen.touched(read_conversation(said, most_chars=most_chars).text):
            return Refused("touched")
        await asyncio.sleep(0)  # a long batch is no reason to let others wait
    return None
