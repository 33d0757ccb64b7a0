"""The HTTP upstream against a really started server that answers well, badly, late or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import orjson
import pytest

from gateway.errors import UpstreamGarbage, UpstreamRejected, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.exchange import Timeouts
from gateway.upstream.openai import OpenAIUpstream
from gateway.upstream.protocol import Capabilities, ChatRequest, Usage

ANSWER = {
    "model": "m-1",
    "choices": [
        {"index": 1, "message": {"role": "assistant", "content": "b"}, "finish_reason": "length"},
        {
            "index": 0,
            "message": {"role": "assistant", "content": "a"},
            "finish_reason": "stop",
            "logprobs": None,
        },
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}
ASK = ChatRequest("m", ({"role": "user", "content": "hi"},), {"temperature": 0.5, "unheard_of": [1]}, n=2)


class Server:
    """A few lines of HTTP: keeps what was sent, answers what ``reply`` gives."""

    def __init__(self, reply: Callable[[], bytes]) -> None:
        self.reply = reply
        self.connections = 0
        self.received: list[tuple[str, dict[str, str], dict]] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.strip().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.received.append((first, headers, orjson.loads(body or b"{}")))
                reply = self.reply()
                writer.write(reply)
                await writer.drain()
                if b"connection: close" in reply:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def http(body: bytes, status: str = "200 OK", extra: str = "") -> bytes:
    """Write a response."""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode() + body


@asynccontextmanager
async def upstream_of(
    reply: bytes | Callable[[], bytes], **options: object
) -> AsyncIterator[tuple[OpenAIUpstream, Server]]:
    """Start a server and an upstream that talks to it."""
    server = Server(reply if callable(reply) else lambda: reply)
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    upstream = OpenAIUpstream(f"http://127.0.0.1:{port}/v1", **options)
    try:
        yield upstream, server
    finally:
        await upstream.aclose()
        listener.close()


async def test_a_completion_is_asked_for_and_read():
    """Parameters travel untouched, the key is sent, choices come in the order of their index."""
    async with upstream_of(http(orjson.dumps(ANSWER)), api_key="k") as (upstream, server):
        completion = await upstream.complete(ASK)
    first, headers, body = server.received[0]
    assert "POST /v1/chat/completions HTTP/1.1" == first
    assert "Bearer k" == headers["authorization"]
    assert {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "n": 2,
        "temperature": 0.5,
        "unheard_of": [1],
    } == body
    assert ["a", "b"] == [choice.message["content"] for choice in completion.choices]
    assert ("m-1", Usage(3, 2), {"logprobs": None}) == (
        completion.model,
        completion.usage,
        dict(completion.choices[0].extras),
    )


async def test_connections_are_reused():
    """Ten requests in turn take one connection."""
    async with upstream_of(http(orjson.dumps(ANSWER))) as (upstream, server):
        for _ in range(10):
            await upstream.complete(ASK)
    assert (1, 10) == (server.connections, len(server.received))


async def test_banned_words_go_only_to_a_server_that_takes_them():
    """An unknown parameter may be refused elsewhere."""
    banning = ChatRequest("m", (), banned_words=("Seltal",))
    for can, expected in ((True, ["Seltal"]), (False, None)):
        options = {"capabilities": Capabilities(banned_words=can)}
        async with upstream_of(http(orjson.dumps(ANSWER)), **options) as (upstream, server):
            await upstream.complete(banning)
        assert expected == server.received[0][2].get("bad_words")
        assert "vllm_xargs" not in server.received[0][2]


async def test_banned_words_go_to_lethes_logits_processor_beside_what_the_client_says_to_others():
    """They come by a name of their own, in the field that vLLM keeps for its extensions."""
    banning = ChatRequest("m", (), {"vllm_xargs": {"other": 1}}, banned_words=("Seltal",))
    options = {"capabilities": Capabilities(banned_words=True, every_spelling=True)}
    async with upstream_of(http(orjson.dumps(ANSWER)), **options) as (upstream, server):
        await upstream.complete(banning)
    sent = server.received[0][2]
    assert (["Seltal"], {"other": 1, "lethe_banned": ["Seltal"]}) == (sent["bad_words"], sent["vllm_xargs"])


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Seltal</html>",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": ["Seltal"]}',
        b'{"choices": [{"index": 0, "text": "Seltal"}]}',
        b'{"choices": [{"message": "Seltal"}]}',
    ],
)
async def test_an_answer_of_unknown_shape_is_withheld(body):
    """Nothing of it is in the error."""
    async with upstream_of(http(body)) as (upstream, _):
        with pytest.raises(UpstreamGarbage) as caught:
            await upstream.complete(ASK)
    assert "Seltal" not in str(caught.value)


async def test_a_refusal_keeps_its_status_and_loses_its_text():
    """Error bodies of a server may quote the conversation."""
    reply = http(b'{"error": {"message": "Seltal"}}', "429 Too Many Requests", "retry-after: 7\r\n")
    async with upstream_of(reply) as (upstream, _):
        with pytest.raises(UpstreamRejected) as caught:
            await upstream.complete(ASK)
    assert (429, "7") == (caught.value.upstream_status, caught.value.retry_after)
    assert "Seltal" not in str(caught.value)


async def test_a_server_that_is_not_there_is_unreachable():
    """A refused connection is no timeout."""
    upstream = OpenAIUpstream("http://127.0.0.1:9/v1")
    with pytest.raises(UpstreamUnreachable, match="LETHE_UPSTREAM_URL") as caught:
        await upstream.complete(ASK)
    assert not caught.value.answer_begun
    await upstream.aclose()


async def test_a_body_cut_short_is_unreachable():
    """Half an answer is none, and it is told that there was half of one: it is not asked for again."""
    cut = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\nconnection: close\r\n\r\n" + orjson.dumps(ANSWER)
    async with upstream_of(cut) as (upstream, _):
        with pytest.raises(UpstreamUnreachable) as caught:
            await upstream.complete(ASK)
    assert caught.value.answer_begun


async def test_a_server_that_is_too_slow_times_out_in_the_phase_of_reading():
    """The error names the phase, so that an operator knows which setting to look at."""
    async with upstream_of(b"", timeouts=Timeouts(read_s=0.1)) as (upstream, _):
        with pytest.raises(UpstreamTimeout) as caught:
            await upstream.complete(ASK)
    assert "read" == caught.value.phase


async def test_models_are_listed():
    """The ids, in the server's order."""
    async with upstream_of(http(b'{"data": [{"id": "b"}, {"id": "a"}]}')) as (upstream, _):
        assert ("b", "a") == await upstream.models()


def test_the_fingerprint_names_server_and_model():
    """Another server or model is another generator."""
    prints = {
        OpenAIUpstream(url).fingerprint(model)
        for url in ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
        for model in ("a", "b")
    }
    assert 4 == len(prints)
