"""Thousands of malformed requests, from a seed, ten on each connection: none is a 500, none tells anything."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from random import Random

import pytest

from tests.faults.model import LEAK, SECRET, saying
from tests.faults.wire import asking, connected

PATHS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/models",
    "/admin/topics",
)
WORDS = (
    b"GET",
    b"POST",
    b"PUT",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\x00",
    b"\xff\xfe",
    b"HTTP/9.9",
    b"content-length: -1\r\n",
    b"content-length: 99999999999999999999\r\n",
    b"transfer-encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"zz\r\n",
    b"[" * 2000,
    b'{"a":',
    b'"',
    b"\\ud800",
    b"NaN",
    b"1e999",
    b"-0",
    b"true",
    b"null",
    b"{}",
    b"[]",
    b"%00",
    b"../..",
    b"x" * 5000,
    b"authorization: Bearer \xe9\r\n",
    b"content-type: text/plain\r\n",
    b"expect: 100-continue\r\n",
    b"upgrade: websocket\r\nconnection: upgrade\r\n",
    b'"stream": 1, ',
    b'"n": 1e9, ',
    b'"messages": {}, ',
    b'"model": "", ',
)
AT_ONCE = 25
ON_ONE = 10


def malformed(chance: Random) -> bytes:
    """Write a request and damage it in one to four places."""
    raw = asking(path=chance.choice(PATHS), stream=chance.random() < 0.3).replace(b"connection: close\r\n", b"")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(raw))
        match chance.randrange(5):
            case 0:
                raw = raw[:at] + chance.choice(WORDS) + raw[at:]
            case 1:
                raw = raw[:at] + raw[at + chance.randint(1, 30) :]
            case 2:
                raw = raw[:at] + chance.randbytes(chance.randint(1, 20)) + raw[at:]
            case 3:
                raw = raw[: max(at, 1)]
            case _:
                raw = raw[:at] + raw[at : at + 40] * chance.randint(2, 4) + raw[at:]
        raw = raw or b"x"
    return raw


async def sent(url: str, raws: list[bytes]) -> bytes:
    """Send them in one go, and read what comes until the connection is closed, or nothing has come for a while."""
    reader, writer = await connected(url)
    received = b""
    with suppress(ConnectionError, TimeoutError):
        writer.write(b"".join(raws))
        while piece := await asyncio.wait_for(reader.read(65_536), 0.4):
            received += piece
    writer.transport.abort()
    return received


@pytest.mark.parametrize(("count", "seed"), [(400, 1), pytest.param(10_000, 2, marks=pytest.mark.faults)])
async def test_malformed_requests_are_refused_and_tell_nothing(face, count, seed):
    """Before a model that tells the secret to everybody; bounded in time as well, and afterwards it answers."""
    chance, tried, ends = Random(seed), 0, time.monotonic() + 60
    async with face(saying(LEAK), body_timeout_s=0.2, rounds=1) as faced:
        while tried < count and time.monotonic() < ends:
            batches = [[malformed(chance) for _ in range(ON_ONE)] for _ in range(AT_ONCE)]
            tried += ON_ONE * AT_ONCE
            received = await asyncio.gather(*(sent(faced.url, batch) for batch in batches))
            assert [] == [one for one in received if SECRET.encode() in one or b" 500 Internal" in one]
            assert any(received)
        assert tried >= count
        assert set() == {fields["kind"] for event, fields in faced.reported if event == "unexpected_error"}
        assert await faced.recovers()
