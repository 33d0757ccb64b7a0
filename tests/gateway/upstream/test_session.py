"""Exchanges over aiohttp with servers that answer in every way that HTTP allows, and in some that it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest

from gateway.errors import UpstreamGarbage, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.exchange import Answer, Timeouts
from gateway.upstream.session import Session

Talk: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Served:
    """How often a server was connected to, what it was asked, and which connections ended."""

    def __init__(self) -> None:
        self.connections = 0
        self.asked: list[bytes] = []
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()


@asynccontextmanager
async def kept(talk: Talk | bytes, **options: object) -> AsyncIterator[tuple[Session, Served]]:
    """Start a server that answers each request by bytes, or talks as it likes, and keep connections to it."""
    served = Served()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            while True:
                served.asked.append(await _request(reader))
                served.begun.set()
                if isinstance(talk, bytes):
                    writer.write(talk)
                else:
                    await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            served.ended.set()
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    timeouts = options.pop("timeouts", Timeouts(read_s=5, pool_s=0.05))
    given = {"timeouts": timeouts, "most": 4, "most_bytes": 1000, **options}
    connections = Session(f"http://127.0.0.1:{port}/v1", {"authorization": "Bearer k"}, **given)
    try:
        yield connections, served
    finally:
        await connections.aclose()
        listener.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or 0))


async def post(connections: Session) -> Answer:
    """Ask something."""
    return await connections.exchange("POST", "/chat", b"{}")


def ending(reply: bytes) -> Talk:
    """Answer and close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()
        raise ConnectionError

    return talk


async def test_a_request_has_its_length_and_what_goes_with_every_request():
    """Under the path of the address."""
    async with kept(WHOLE) as (connections, served):
        await post(connections)
        await connections.exchange("GET", "/models", None)
    first, second = (asked.lower() for asked in served.asked)
    assert first.startswith(b"post /v1/chat http/1.1\r\nhost: 127.0.0.1:")
    assert first.endswith(b"\r\n\r\n{}")
    assert b"content-length: 2\r\n" in first
    assert second.startswith(b"get /v1/models http/1.1\r\n")
    assert all(b"authorization: bearer k\r\n" in asked for asked in (first, second))


@pytest.mark.parametrize(
    ("reply", "status", "content", "connections"),
    [
        (WHOLE, 200, b"ok", 1),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, b"ok", 1),
        (b"HTTP/1.1 100 Continue\r\ncontent-length: 9\r\n\r\n" + WHOLE, 200, b"ok", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", 1),
        (b"HTTP/1.1 500 X\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno", 500, b"no", 2),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 200, b"ok", 2),
        (WHOLE + WHOLE, 200, b"ok", 2),
    ],
    ids=["length", "chunks", "continue", "empty", "close", "http/1.0", "two at once"],
)
async def test_an_answer_is_read_to_its_end(reply: bytes, status: int, content: bytes, connections: int):
    """However it is framed; the connection is asked again only where the end of the answer was plain."""
    async with kept(reply) as (pool, served):
        found = [await post(pool) for _ in range(2)]
    assert [(status, content)] * 2 == [(each.status, each.content) for each in found]
    assert connections == served.connections


async def test_an_answer_may_end_with_its_connection():
    """As HTTP/1.0 does it."""
    async with kept(ending(b"HTTP/1.1 200 OK\r\nretry-after: 7\r\n\r\nok")) as (connections, _):
        answer = await post(connections)
    assert (b"ok", "7") == (answer.content, answer.retry_after)


@pytest.mark.parametrize(
    ("reply", "begun"),
    [
        (b"", False),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n", True),
        (b"SSH-2.0-OpenSSH\r\n", False),
        (b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 100_000, False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nokk", False),
    ],
    ids=["nothing", "half a head", "cut", "cut chunks", "no HTTP", "endless head", "two lengths"],
)
async def test_a_broken_answer_is_none(reply: bytes, begun: bool):
    """Whether it may be asked for again is told: not where half of it had come."""
    async with kept(ending(reply)) as (connections, _):
        with pytest.raises(UpstreamUnreachable) as caught:
            await post(connections)
    assert begun is caught.value.answer_begun


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
    ],
    ids=["too large", "compressed"],
)
async def test_what_could_fill_the_memory_is_refused(reply: bytes):
    """Nothing of it is given."""
    async with kept(reply) as (connections, _):
        with pytest.raises(UpstreamGarbage):
            await post(connections)


async def test_only_silence_is_too_slow():
    """An answer that goes on coming may take its time; one that stops is waited for no longer than was set."""

    async def trickling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in (WHOLE[at : at + 6] for at in range(0, len(WHOLE), 6)):
            writer.write(byte)
            await asyncio.sleep(0.03)

    async def stopping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WHOLE[:-1])

    slow = Timeouts(read_s=0.12)
    async with kept(trickling, timeouts=slow) as (connections, _):
        assert b"ok" == (await post(connections)).content
    async with kept(stopping, timeouts=slow) as (connections, _):
        with pytest.raises(UpstreamTimeout) as caught:
            await post(connections)
    assert "read" == caught.value.phase


async def test_whoever_stops_waiting_ends_the_servers_work():
    """The connection is closed, as the client's is."""

    async def thinking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    async with kept(thinking) as (connections, served):
        work = asyncio.ensure_future(post(connections))
        await served.begun.wait()
        work.cancel()
        await asyncio.wait_for(served.ended.wait(), 5)
    assert work.cancelled()


async def test_more_than_fit_wait_for_a_connection_and_not_for_ever():
    """The wait belongs to that of connecting."""

    async def thinking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)

    async with kept(thinking, most=1) as (connections, _):
        first = asyncio.ensure_future(post(connections))
        with pytest.raises(UpstreamTimeout) as caught:
            await asyncio.gather(post(connections), post(connections))
        first.cancel()
    assert "connect" == caught.value.phase


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used():
    """A new one is made."""
    async with kept(ending(WHOLE)) as (connections, served):
        await post(connections)
        await asyncio.sleep(0.02)
        assert b"ok" == (await post(connections)).content
    assert 2 == served.connections


async def test_a_long_request_is_sent_whole():
    """Also one that the server takes bit by bit."""
    async with kept(WHOLE) as (connections, served):
        await connections.exchange("POST", "/chat", b"x" * 3_000_000)
    assert 3_000_000 == served.asked[0].count(b"x")
