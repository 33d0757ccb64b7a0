"""Probes said otherwise by a model: asks it, and keeps what may stand. Knows no files and no command line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from evaluation.probing.probe import Probe
from evaluation.probing.rewording import request_for, reworded
from gateway.engines.protocol import Do
from gateway.guard.together import all_of
from gateway.opening import open_upstream
from gateway.settings import Settings
from gateway.upstream.protocol import ChatRequest, Upstream
from verifiers.protocol import Topic

__all__ = ["Rewording", "RewordingElsewhere", "reword"]

_TEMPERATURE = 0.8


@dataclass(frozen=True, slots=True)
class Rewording:
    """Asks a model for a probe in other words.

    ``seed`` is passed to the model, which may or may not heed it. ``topics`` are by id.
    """

    upstream: Upstream
    model: str
    topics: Mapping[str, Topic]
    seed: int

    async def __call__(self, probe: Probe) -> Probe | None:
        """Give the probe in the model's words, None where these may not stand. Raises ``UpstreamError``."""
        parameters = {"temperature": _TEMPERATURE, "seed": self.seed}
        message = {"role": "user", "content": request_for(probe)}
        completion = await self.upstream.complete(ChatRequest(self.model, (message,), parameters))
        said = completion.choices[0].message.get("content")
        return reworded(probe, self.topics[probe.topic], said) if isinstance(said, str) else None


@dataclass(frozen=True, slots=True)
class RewordingElsewhere:
    """The settings of the model's server, with which another process asks the same. Holds its key."""

    settings: Settings
    model: str
    topics: Mapping[str, Topic]
    seed: int

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Rewording]:
        """Connect."""
        upstream = open_upstream(self.settings)
        try:
            yield Rewording(upstream, self.model, self.topics, self.seed)
        finally:
            await upstream.aclose()


async def reword(
    rewording: Do[Probe, Probe | None], probes: Sequence[Probe], *, concurrency: int = 8
) -> tuple[Probe, ...]:
    """Return those of the probes whose other wording may stand, in it. Raises ``UpstreamError``."""
    gate = asyncio.Semaphore(concurrency)

    async def one(probe: Probe) -> Probe | None:
        async with gate:
            return await rewording(probe)

    return tuple(probe for probe in await all_of(map(one, probes)) if probe is not None)
