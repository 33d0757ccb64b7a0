"""Probes said otherwise by a model: asks it, and keeps what may stand. Knows no files and no command line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from evaluation.probing.probe import Probe
from evaluation.probing.rewording import request_for, reworded
from gateway.guard.together import all_of
from gateway.upstream.protocol import ChatRequest, Upstream
from verifiers.protocol import Topic

__all__ = ["reword"]

_TEMPERATURE = 0.8


async def reword(
    upstream: Upstream,
    model: str,
    probes: Sequence[Probe],
    topics: Mapping[str, Topic],
    *,
    seed: int,
    concurrency: int = 8,
) -> tuple[Probe, ...]:
    """Return those of the probes whose other wording may stand, in it. Raises ``UpstreamError``.

    ``seed`` is passed to the model, which may or may not heed it. ``topics`` are by id.
    """
    gate = asyncio.Semaphore(concurrency)

    async def one(probe: Probe) -> Probe | None:
        parameters = {"temperature": _TEMPERATURE, "seed": seed}
        message = {"role": "user", "content": request_for(probe)}
        async with gate:
            completion = await upstream.complete(ChatRequest(model, (message,), parameters))
        said = completion.choices[0].message.get("content")
        return reworded(probe, topics[probe.topic], said) if isinstance(said, str) else None

    return tuple(probe for probe in await all_of(map(one, probes)) if probe is not None)
