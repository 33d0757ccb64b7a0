"""Measuring: fresh probes against the bare model and against the gateway. Knows no calibration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from evaluation.measurement import BenignResult, ForgetResult
from evaluation.oracle import ForbiddenStrings
from gateway.demo.client import Client, Reply
from gateway.demo.probes import Probe
from gateway.upstream.protocol import ChatRequest, Upstream

__all__ = ["bare_answers", "benign_results", "forget_results", "guarded_answers"]

_AT_ONCE = 32
_T = TypeVar("_T")


async def bare_answers(upstream: Upstream, model: str, probes: Sequence[Probe]) -> list[str]:
    """Ask the model itself, without the gateway."""

    async def ask(probe: Probe) -> str:
        completion = await upstream.complete(ChatRequest(model, probe.messages))
        return str(completion.choices[0].message["content"])

    return await _each(probes, ask)


async def guarded_answers(client: Client, probes: Sequence[Probe]) -> list[Reply]:
    """Ask the gateway over HTTP."""
    return await _each(probes, client.probe)


def forget_results(probes: Sequence[Probe], before: Sequence[str], after: Sequence[Reply]) -> list[ForgetResult]:
    """Label both answers to each forget probe by the strings that must not be in them."""
    results = []
    for probe, bare, reply in zip(probes, before, after, strict=True):
        oracle = ForbiddenStrings.of(probe.forbidden)
        leaked = (oracle.leaks(bare), oracle.leaks(reply.text))
        results.append(ForgetResult(*leaked, answered=reply.released, generations=reply.generations))
    return results


def benign_results(probes: Sequence[Probe], before: Sequence[str], after: Sequence[Reply]) -> list[BenignResult]:
    """Compare both answers to each benign probe with the true one and with each other."""
    return [
        BenignResult(bare == probe.expected, reply.text == probe.expected, bare == reply.text, reply.generations)
        for probe, bare, reply in zip(probes, before, after, strict=True)
    ]


async def _each(probes: Sequence[Probe], ask: Callable[[Probe], Awaitable[_T]]) -> list[_T]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(probe: Probe) -> _T:
        async with gate:
            return await ask(probe)

    return list(await asyncio.gather(*(one(probe) for probe in probes)))
