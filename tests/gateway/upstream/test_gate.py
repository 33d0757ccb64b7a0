"""The queue before a server: bounded in places, in depth and in patience."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamBusy
from gateway.upstream.gate import Gate


async def test_no_more_are_inside_than_there_are_places():
    """Those that wait come in as others leave, in their order."""
    gate, order, most = Gate(2, 10, wait_s=5.0), [], 0

    async def visit(number: int) -> None:
        nonlocal most
        async with gate:
            most = max(most, gate.running)
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(visit(number) for number in range(6)))
    assert (2, list(range(6)), 0, 0) == (most, order, gate.running, gate.waiting)


async def test_whoever_finds_the_queue_full_is_refused_at_once():
    """And told when to come back."""
    gate = Gate(1, 1, wait_s=5.0)
    async with gate:
        waiting = asyncio.create_task(gate.__aenter__())
        await asyncio.sleep(0)
        with pytest.raises(UpstreamBusy) as refused:
            await gate.__aenter__()
        assert (1, 1, True) == (gate.waiting, gate.refused, refused.value.retry_after_s >= 1)
    await waiting
    await gate.__aexit__(None, None, None)
    assert (0, 0) == (gate.running, gate.waiting)


async def test_nobody_waits_for_longer_than_the_operator_says():
    """And the place that never came is nobody's."""
    gate = Gate(1, 1, wait_s=0.01)
    async with gate:
        with pytest.raises(UpstreamBusy):
            await gate.__aenter__()
        assert (1, 0) == (gate.running, gate.waiting)
    async with gate:
        assert 1 == gate.running


async def test_a_client_that_goes_away_while_waiting_leaves_no_trace():
    """Neither a place nor a number in the queue is lost."""
    gate = Gate(1, 1, wait_s=5.0)
    async with gate:
        waiting = asyncio.create_task(gate.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert 0 == gate.waiting
    async with gate:
        assert 1 == gate.running
