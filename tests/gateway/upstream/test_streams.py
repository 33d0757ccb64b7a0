"""A streamed answer from a really started server, put together again whatever it is cut into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from gateway.errors import UpstreamGarbage, UpstreamRejected, UpstreamUnreachable
from gateway.upstream.openai import OpenAIUpstream
from gateway.upstream.protocol import ChatRequest, Completion, Usage

ASK = ChatRequest("m", ({"role": "user", "content": "hi"},), {"temperature": 0.5})
STREAM = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def chunk(delta: dict, finish: str | None = None, **beside: object) -> str:
    """Write one chunk as an event."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return "data: " + orjson.dumps({"model": "m-1", "choices": choices, **beside}).decode() + "\n\n"


DONE = "data: [DONE]\n\n"
USAGE = 'data: {"model": "m-1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'


@asynccontextmanager
async def answering(reply: str) -> AsyncIterator[tuple[OpenAIUpstream, list[dict]]]:
    """Start a server that says this and hangs up; gives what it was asked, too."""
    asked: list[dict] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        asked.append(orjson.loads(await reader.readexactly(length)))
        writer.write(reply.encode())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    upstream = OpenAIUpstream(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1")
    try:
        yield upstream, asked
    finally:
        await upstream.aclose()
        listener.close()


async def told(reply: str, request: ChatRequest = ASK) -> tuple[list[str], Completion, dict]:
    """Stream the reply; gives the pieces, the whole, and what was asked."""
    pieces: list[str] = []

    async def send(text: str) -> None:
        pieces.append(text)

    async with answering(reply) as (upstream, asked):
        whole = await upstream.stream(request, send)
    return pieces, whole, asked[0]


async def test_pieces_come_as_they_are_written_and_join_to_the_whole():
    """With the usage that stands in a chunk of its own."""
    reply = STREAM + chunk({"role": "assistant", "content": ""}) + chunk({"content": "Good "})
    pieces, whole, asked = await told(reply + chunk({"content": "day."}, "stop") + USAGE + DONE)
    assert (["Good ", "day."], "Good day.") == (pieces, whole.choices[0].message["content"])
    assert ("m-1", "stop", Usage(3, 2)) == (whole.model, whole.choices[0].finish_reason, whole.usage)
    assert (True, {"include_usage": True}, 0.5) == (asked["stream"], asked["stream_options"], asked["temperature"])


async def test_calls_and_what_was_thought_are_put_together_too():
    """Arguments come in pieces, by the index of their call."""

    def call(index: int, **function: str) -> dict:
        return {"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]}

    reply = (
        STREAM
        + chunk({"reasoning_content": "So, "})
        + chunk({"reasoning_content": "then."})
        + chunk(call(0, name="look", arguments='{"a"'))
        + chunk(call(1, name="find", arguments="{}"))
        + chunk(call(0, arguments=": 1}"), "tool_calls")
        + DONE
    )
    pieces, whole, _ = await told(reply)
    message = whole.choices[0].message
    assert ([], "So, then.") == (pieces, message["reasoning_content"])
    found = [(one["function"]["name"], one["function"]["arguments"]) for one in message["tool_calls"]]
    assert [("look", '{"a": 1}'), ("find", "{}")] == found


async def test_text_to_go_on_from_is_streamed_as_text():
    """In the shape of that endpoint."""
    piece = 'data: {"choices": [{"index": 0, "text": " 42.", "finish_reason": "stop"}]}\n\n'
    pieces, whole, asked = await told(STREAM + piece + DONE, ChatRequest.going_on("m", "Six times seven is", {}))
    assert ([" 42."], " 42.", "Six times seven is") == (
        pieces,
        whole.choices[0].message["content"],
        asked["prompt"],
    )


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (STREAM + chunk({"content": "Good "}), UpstreamUnreachable),
        (STREAM + chunk({"content": "Good "}) + DONE, UpstreamUnreachable),
        (STREAM + 'data: {"error": {"message": "Seltal"}}\n\n', UpstreamUnreachable),
        (STREAM + "data: Seltal\n\n", UpstreamGarbage),
        (STREAM + "data: []\n\n", UpstreamGarbage),
        (STREAM + 'data: {"choices": {}}\n\n', UpstreamGarbage),
        (STREAM + 'data: {"choices": [{"delta": {"content": ["Seltal"]}}]}\n\n', UpstreamGarbage),
        (STREAM + 'data: {"choices": [{"delta": {"tool_calls": ["Seltal"]}}]}\n\n', UpstreamGarbage),
        (STREAM + 'data: {"choices": [{"delta": {"tool_calls": 5}}]}\n\n', UpstreamGarbage),
        (STREAM + 'data: {"choices": [{"index": 1, "delta": {"content": "Seltal"}}]}\n\n', UpstreamGarbage),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", UpstreamGarbage),
        ("HTTP/1.1 429 Slow\r\ncontent-length: 6\r\n\r\nSeltal", UpstreamRejected),
    ],
)
async def test_a_stream_that_is_cut_or_cannot_be_read_is_an_error_that_quotes_nothing(reply, expected):
    """No end, an error in the middle, another shape, no stream at all."""
    with pytest.raises(expected) as raised:
        await told(reply)
    assert "Seltal" not in str(raised.value)
    if isinstance(raised.value, UpstreamUnreachable):
        assert raised.value.answer_begun


async def test_whoever_takes_the_pieces_can_end_the_generation():
    """What it raises comes out, and the connection is closed."""

    async def send(text: str) -> None:
        raise LookupError(text)

    async with answering(STREAM + chunk({"content": "Good "}) + chunk({"content": "day."})) as (upstream, _):
        with pytest.raises(LookupError, match="Good"):
            await upstream.stream(ASK, send)
