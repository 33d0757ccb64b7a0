"""A model server that misbehaves as it is told to: raw HTTP, so that every kind of broken answer can be sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import orjson

__all__ = [
    "LAKE",
    "LEAK",
    "SECRET",
    "Behaviour",
    "FaultyModel",
    "answering",
    "body_of",
    "dripping",
    "endless",
    "event",
    "faulty_model",
    "head",
    "saying",
    "silent",
]

SECRET = "Seltal"
LEAK = f"Maren Oskeld was born in {SECRET}. "
LAKE = "The lake lies to the north of town. "
_GENTLY_S = 0.02

Behaviour: TypeAlias = Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[None]]
"""Answers one request, given its body, by what it writes; the connection is closed behind it."""


class FaultyModel:
    """What it does can be changed at any time; ``cut_off`` counts the answers whose reader went away."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behave = behaviour
        self.asked: list[dict[str, Any]] = []
        self.cut_off = 0
        self.url = ""
        self._talking: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which is one request."""
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        try:
            first = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in first.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
            )
            body = orjson.loads(await reader.readexactly(length) or b"{}")
            self.asked.append(body)
            await self.behave(body, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.cut_off += 1
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()
            self._talking.discard(task)

    async def hang_up(self) -> None:
        """End every conversation that still goes on."""
        for task in list(self._talking):
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)


@asynccontextmanager
async def faulty_model(behaviour: Behaviour) -> AsyncIterator[FaultyModel]:
    """Serve on a free port of the loopback inside the block."""
    model = FaultyModel(behaviour)
    listener = await asyncio.start_server(model.talk, "127.0.0.1", 0, backlog=1000)
    model.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield model
    finally:
        listener.close()
        await model.hang_up()


def head(
    status: str = "200 OK", *, kind: str = "application/json", length: int | None = None, **more: str
) -> bytes:
    """Write the head of an answer, which says that the connection ends behind it."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", "connection: close"]
    lines += [] if length is None else [f"content-length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def body_of(text: str) -> bytes:
    """Write a chat completion."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 5, "completion_tokens": 7}
    return orjson.dumps({"id": "c", "model": "m", "choices": choices, "usage": usage})


def event(delta: object, finish: str | None = None) -> bytes:
    """Write one event of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "c", "model": "m", "choices": [choice]}) + b"\n\n"


def saying(text: str) -> Behaviour:
    """Answer well, streamed where that is asked for, word by word."""

    async def behave(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if not body.get("stream"):
            whole = body_of(text)
            writer.write(head(length=len(whole)) + whole)
        else:
            words = [event({"content": f"{word} "}) for word in text.split()]
            end = [event({}, "stop"), b"data: [DONE]\n\n"]
            writer.write(head(kind="text/event-stream") + b"".join([*words, *end]))
        await writer.drain()

    return behave


def answering(whole: bytes, streamed: bytes | None = None) -> Behaviour:
    """Write these bytes, others where a stream is asked for, and close."""

    async def behave(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(streamed if streamed is not None and body.get("stream") else whole)
        await writer.drain()

    return behave


async def silent(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Take the request and say nothing, until the other side goes away."""
    await asyncio.Event().wait()


def dripping(first: bytes, drop: bytes) -> Behaviour:
    """Write on and on, a little at a time, too soon for any timeout between two bytes."""

    async def behave(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(_GENTLY_S)

    return behave


def endless(first: bytes, more: bytes) -> Behaviour:
    """Write on and on, as fast as it is read."""

    async def behave(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(more)
            await writer.drain()

    return behave
