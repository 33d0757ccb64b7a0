"""A connection on which a client stalls is closed, and no other: a tiny application on a really open port."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import orjson
import pytest

from gateway.http.connections import MOST_HEAD_BYTES
from gateway.serving import serving
from tests.faults.wire import connected, exchange, read_all

ASK = b"GET / HTTP/1.1\r\nhost: l\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: l\r\nconnection: close\r\n\r\n"


async def good(scope, receive, send):
    """Answer at once with two letters, whatever the body."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def flooding(scope, receive, send):
    """Send more than any buffer holds, until the client is gone; ``scope["state"]`` hears that."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(4_000):
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
    GONE.append(await receive())


GONE: list[object] = []


@asynccontextmanager
async def opened(url):
    """Connect inside the block."""
    reader, writer = await connected(url)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_half_a_head_is_refused_after_the_time_for_it():
    """With 408 in the shape of every error, and the connection closed."""
    async with serving(good, client_timeout_s=0.2) as url:
        answer = await exchange(url, ASK[:-6])
    assert (408, "request_timeout", True) == (
        answer.status,
        answer.error["code"],
        b"connection: close" in answer.head,
    )


async def test_a_connection_on_which_nothing_is_said_is_closed():
    """Without a word: nobody asked."""
    async with serving(good, client_timeout_s=0.2) as url:
        answer = await exchange(url, b"")
    assert b"" == answer.received


async def trickle(writer, raw):
    """Send it, a byte now and then."""
    for byte in raw:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("before", [b"", ASK])
async def test_a_head_that_comes_byte_by_byte_has_no_more_time_than_another(before):
    """As the first request of its connection and as the second."""
    async with serving(good, client_timeout_s=0.3) as url, opened(url) as (reader, writer):
        writer.write(before)
        trickling = asyncio.create_task(trickle(writer, LAST * 20))
        received = await asyncio.wait_for(reader.read(-1), 5)
        trickling.cancel()
    assert (before != b"", 1) == (received.startswith(b"HTTP/1.1 200"), received.count(b"HTTP/1.1 408"))


async def test_blank_lines_before_a_request_do_not_stop_the_clock():
    """They are allowed there, and no request."""
    async with serving(good, client_timeout_s=0.3) as url, opened(url) as (reader, writer):
        writer.write(ASK)
        await reader.readuntil(b"ok")
        writer.write(b"\r\n")
        assert b"HTTP/1.1 408" in await asyncio.wait_for(reader.read(-1), 5)


async def test_a_head_that_does_not_end_is_refused():
    """431, long before it fills the memory."""
    async with serving(good, client_timeout_s=20) as url, opened(url) as (reader, writer):
        writer.write(ASK[:-2] + b"a: " + b"x" * (MOST_HEAD_BYTES - 1_000))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"x" * 1_000)
        answer = await read_all(reader)
    assert (431, "request_too_large") == (answer.status, answer.error["code"])


async def test_what_is_no_http_is_refused_in_the_shape_of_every_error():
    """And not as plain text."""
    async with serving(good) as url:
        answer = await exchange(url, b"What is this?\r\n\r\n")
    assert (400, "invalid_request_error") == (answer.status, answer.error["type"])


async def test_an_idle_connection_and_one_that_waits_for_its_answer_stay_open():
    """The time is the client's, not the gateway's; a connection between two requests has another limit."""

    async def slow(scope, receive, send):
        await asyncio.sleep(0.5 if scope["type"] == "http" else 0)
        await good(scope, receive, send)

    async with serving(slow, client_timeout_s=0.2) as url, opened(url) as (reader, writer):
        writer.write(ASK)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
        await asyncio.sleep(0.4)
        writer.write(LAST[:10])
        await asyncio.sleep(0.05)
        writer.write(LAST[10:])
        assert 200 == (await read_all(reader)).status


async def test_a_body_that_is_answered_before_its_end_may_still_come_for_a_while():
    """Who is told early that the body is unwanted sends on, and must be able to read that; but not for ever."""
    post = b"POST / HTTP/1.1\r\nhost: l\r\ncontent-length: 1000000\r\n\r\n"
    async with serving(good, client_timeout_s=0.3) as url:
        async with opened(url) as (reader, writer):
            writer.write(post)
            await reader.readuntil(b"ok")
            for _ in range(4):
                writer.write(b"x" * 100_000)
                await writer.drain()
            writer.write(b"x" * 600_000 + LAST)
            assert 200 == (await read_all(reader)).status
        async with opened(url) as (reader, writer):
            writer.write(post)
            await reader.readuntil(b"ok")
            writer.write(b"x")
            assert b"" == await asyncio.wait_for(reader.read(-1), 5)


async def test_a_client_that_takes_nothing_is_let_go_and_one_that_takes_little_is_not():
    """The application hears that the one is gone; the other gets on."""
    GONE.clear()
    async with (
        serving(flooding, client_timeout_s=0.4) as url,
        opened(url) as (deaf, deafs),
        opened(url) as (slow, slows),
    ):
        deaf._transport.pause_reading()
        # A small buffer, so that what it takes is soon felt at the other end.
        slows.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        deafs.write(ASK)
        slows.write(ASK)
        for _ in range(12):
            assert await slow.read(2_000_000)
            await asyncio.sleep(0.1)
        assert [{"type": "http.disconnect"}] == GONE


async def test_errors_hold_no_more_than_their_words():
    """Nothing that was sent is said back."""
    async with serving(good, client_timeout_s=0.1) as url:
        answer = await exchange(url, b"GET /Seltal HTTP/1.1\r\nSeltal: Seltal\r\n")
    assert ({"message", "type", "param", "code"}, False) == (
        set(orjson.loads(answer.body)["error"]),
        b"Seltal" in answer.received,
    )
