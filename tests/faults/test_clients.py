"""Many clients that stall, read nothing or vanish: the others are answered, and their places are free."""

from __future__ import annotations

import asyncio
import resource

import pytest

from gateway.clients import key_digest
from gateway.store.records import KeyLimits
from tests.faults.model import LAKE, LEAK, saying, silent
from tests.faults.wire import asking, connected, read_all

COUNTS = [60, pytest.param(500, marks=pytest.mark.faults)]
MANY = pytest.mark.parametrize("count", COUNTS)


@pytest.fixture(autouse=True)
def files():
    """Allow this process the two descriptors that a connection to itself takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def all_connected(url, count):
    """Open so many connections."""
    return await asyncio.gather(*(connected(url) for _ in range(count)))


async def until(true):
    """Wait some seconds for it."""
    for _ in range(500):
        if true():
            return True
        await asyncio.sleep(0.02)
    return False


def in_progress(faced):
    """Tell how many requests are being answered."""
    (line,) = [
        x for x in faced.gateway.metrics.exposition().splitlines() if x.startswith(b"lethe_answers_in_progress ")
    ]
    return float(line.split()[1])


@MANY
async def test_clients_that_stop_in_the_middle_of_a_body_are_told_and_let_go(face, count):
    """408 after the timeout, and the connection closed; who asks meanwhile is answered."""
    whole = asking()
    async with face(saying(LAKE), body_timeout_s=1.0) as faced:
        stalled = await all_connected(faced.url, count)
        for _, writer in stalled:
            writer.write(whole[:-20])
        assert await faced.recovers()
        told = await asyncio.gather(*(read_all(reader) for reader, _ in stalled))
        assert {408} == {answer.status for answer in told}
        faced.answers.extend(told)
        for _, writer in stalled:
            writer.close()
        assert await faced.recovers()


async def test_a_stalled_body_gives_its_keys_place_back(face):
    """A key that may have one request at a time is not shut out by one that never ends."""
    keyed = asking().replace(b"host: lethe", b"host: lethe\r\nauthorization: Bearer lethe-k")
    async with face(saying(LAKE), body_timeout_s=0.5) as faced:
        await faced.gateway.store.add_key("team", key_digest("lethe-k"), limits=KeyLimits(concurrent=1))
        (stalled, writer), (refused, second) = await all_connected(faced.url, 2)
        writer.write(keyed[:-20])
        await asyncio.sleep(0.2)
        second.write(keyed)
        assert [429, 408] == [(await read_all(refused)).status, (await read_all(stalled)).status]
        reader, third = await connected(faced.url)
        third.write(keyed)
        assert 200 == (await read_all(reader)).status
        for one in (writer, second, third):
            one.close()


@MANY
@pytest.mark.parametrize("streaming", [False, True])
async def test_clients_that_vanish_end_what_was_done_for_them(face, count, streaming):
    """The model server's connections are closed, nothing is in progress any more, and the queue is empty."""
    async with face(silent, deadline_s=60.0, read_timeout_s=50.0, upstream_connections=600) as faced:
        gone = await all_connected(faced.url, count)
        for _, writer in gone:
            writer.write(asking(stream=streaming))
        assert await until(lambda: len(faced.model.asked) == count)
        for _, writer in gone:
            writer.transport.abort()
        assert await until(lambda: in_progress(faced) == 0)
        assert [(0, 0)] == [(one.running, one.waiting) for one in faced.gateway.upstream.standings()]
        assert await faced.recovers()


@MANY
async def test_clients_that_read_nothing_hold_up_nobody(face, count):
    """Each gets a long stream and takes none of it; the others are answered, and in the end all is free."""
    async with face(saying(LAKE * 600), deadline_s=60.0, upstream_connections=600) as faced:
        deaf = await all_connected(faced.url, count)
        for reader, writer in deaf:
            reader._transport.pause_reading()
            writer.write(asking("Where is the lake?", stream=True))
        assert await until(lambda: len(faced.model.asked) == count)
        assert await faced.recovers()
        for _, writer in deaf:
            writer.transport.abort()
        assert await until(lambda: in_progress(faced) == 0)
        faced.model.behave = saying(LEAK)
        assert 200 == (await faced.ask()).status
