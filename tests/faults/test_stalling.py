"""Clients that stall in a request's head, send a body drop by drop or take nothing of a stream: all are let go."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import pytest

from gateway.clients import key_digest
from gateway.store.records import KeyLimits
from tests.faults.model import LAKE, saying
from tests.faults.test_clients import MANY, all_connected, files, in_progress, until
from tests.faults.wire import asking, exchange, read_all

__all__ = ["files"]


@MANY
async def test_clients_that_stall_in_the_head_of_a_request_are_let_go(face, count):
    """408 after the time for it, or no word to who said none; who asks meanwhile is answered."""
    whole = asking()
    async with face(saying(LAKE), client_timeout_s=1.5) as faced:
        stalled = await all_connected(faced.url, count)
        for number, (_, writer) in enumerate(stalled):
            writer.write(whole[: number % 4 * 15])
        assert await faced.recovers()
        told = await asyncio.gather(*(read_all(reader) for reader, _ in stalled))
        assert {0: {0}, 1: {408}, 2: {408}, 3: {408}} == {
            part: {answer.status for answer in told[part::4]} for part in range(4)
        }
        faced.answers.extend(told)
        for _, writer in stalled:
            writer.close()
        assert await faced.recovers()


@pytest.mark.parametrize("count", [20])
async def test_clients_that_send_a_body_drop_by_drop_are_told_and_let_go(face, count):
    """A drop in time is not enough: all of it must not fall behind a very slow line."""
    whole = asking()
    async with face(saying(LAKE), body_timeout_s=0.5) as faced:
        slow = await all_connected(faced.url, count)

        async def drip(writer):
            writer.write(whole[:-80])
            for byte in whole[-80:-1]:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.1)

        dripping = [asyncio.create_task(drip(writer)) for _, writer in slow]
        assert await faced.recovers()
        told = await asyncio.gather(*(read_all(reader) for reader, _ in slow))
        assert {408} == {answer.status for answer in told}
        faced.answers.extend(told)
        for one in dripping:
            one.cancel()
        for _, writer in slow:
            writer.close()


async def deaf(url):
    """Connect with the smallest buffer that there is."""
    place = urlsplit(url)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect((place.hostname, place.port))
    return await asyncio.open_connection(sock=small)


async def test_a_client_that_takes_nothing_is_let_go_with_its_keys_place(face):
    """It stays, and yet nothing is in progress any more, and its key may ask again."""
    keyed = asking("Where is the lake?", stream=True).replace(
        b"host: lethe", b"host: lethe\r\nauthorization: Bearer lethe-k"
    )
    settings = {"client_timeout_s": 0.5, "deadline_s": 60.0, "read_timeout_s": 30.0, "max_answer_bytes": 10**9}
    async with face(saying(LAKE * 6_000), **settings) as faced:
        await faced.gateway.store.add_key("team", key_digest("lethe-k"), limits=KeyLimits(concurrent=1))
        reader, writer = await deaf(faced.url)
        reader._transport.pause_reading()
        writer.write(keyed)
        assert await until(lambda: in_progress(faced) == 1)
        faced.model.behave = saying(LAKE)
        statuses = [(await exchange(faced.url, keyed)).status]
        async with asyncio.timeout(20):
            while statuses[-1] == 429:
                await asyncio.sleep(0.1)
                statuses.append((await exchange(faced.url, keyed)).status)
        writer.transport.abort()
    assert (429, 200) == (statuses[0], statuses[-1])
