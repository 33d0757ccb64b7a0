"""A client that keeps every byte it gets: what went over the wire is what is searched for the forgotten facts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

__all__ = ["ASK", "Answer", "ask", "asking", "connected", "exchange", "read_all"]

ASK = "Where was Maren Oskeld born?"


@dataclass(frozen=True)
class Answer:
    """All that came back: ``status`` 0 where nothing did, and the body without the marks of its chunks."""

    status: int
    head: bytes
    body: bytes

    @property
    def received(self) -> bytes:
        """Every byte."""
        return self.head + self.body

    @property
    def error(self) -> dict[str, Any]:
        """The error that it carries."""
        found: dict[str, Any] = orjson.loads(self.body)["error"]
        return found


async def connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection."""
    place = urlsplit(url)
    return await asyncio.open_connection(place.hostname, place.port)


async def exchange(url: str, raw: bytes, within_s: float = 20.0) -> Answer:
    """Send these bytes, and read until the gateway closes the connection."""
    reader, writer = await connected(url)
    try:
        writer.write(raw)
        return await read_all(reader, within_s)
    finally:
        writer.close()


async def read_all(reader: asyncio.StreamReader, within_s: float = 20.0) -> Answer:
    """Read until the gateway closes the connection."""
    async with asyncio.timeout(within_s):
        return _parsed(await reader.read(-1))


def asking(text: str = ASK, *, path: str = "/v1/chat/completions", **more: object) -> bytes:
    """Write a request for an answer, behind which the connection ends."""
    said = {"messages": [{"role": "user", "content": text}], "prompt": text, "input": text}
    wanted = {"/v1/chat/completions": "messages", "/v1/completions": "prompt"}.get(path, "input")
    body = orjson.dumps({"model": "m", wanted: said[wanted], **more})
    return (
        f"POST {path} HTTP/1.1\r\nhost: lethe\r\ncontent-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def ask(url: str, text: str = ASK, *, path: str = "/v1/chat/completions", **more: object) -> Answer:
    """Ask, and read all of the answer."""
    return await exchange(url, asking(text, path=path, **more))


def _parsed(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/") else 0
    return Answer(status, head, _joined(body) if b"transfer-encoding: chunked" in head.lower() else body)


def _joined(chunked: bytes) -> bytes:
    """Put the chunks together, also those of an answer that was cut off."""
    parts = []
    while chunked:
        size, _, rest = chunked.partition(b"\r\n")
        length = int(size or b"0", 16)
        parts.append(rest[:length])
        chunked = rest[length + 2 :]
    return b"".join(parts)
