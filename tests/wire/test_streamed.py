"""Streams that begin before the model has ended, with the unmodified OpenAI client, at every endpoint."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from gateway.guard.fallback import UNAWARE
from gateway.upstream.protocol import Capabilities, Choice, Completion, Usage

SAFE = "The lake lies to the north of town. "
LEAK = "Maren Oskeld was born in Seltal. "
REST = "The road there is long and winding."
ASK = "Where was Maren Oskeld born?"


class Waiting:
    """Writes a first part, then waits until it is told to go on."""

    capabilities = Capabilities()

    def __init__(self, first: str, rest: str) -> None:
        self.parts = (first, rest)
        self.go_on = asyncio.Event()
        self.ended = False
        self.cancelled = False

    def fingerprint(self, model):
        """Name the script."""
        return "waiting"

    async def complete(self, request):
        """Nobody may ask for this."""
        raise AssertionError("asked for a whole answer")

    async def stream(self, request, send):
        """Write the two parts."""
        try:
            await send(self.parts[0])
            await self.go_on.wait()
            await send(self.parts[1])
        except BaseException:
            self.cancelled = True
            raise
        self.ended = True
        choice = Choice({"role": "assistant", "content": "".join(self.parts)}, "stop")
        return Completion(request.model, (choice,), Usage(5, 14))

    async def models(self):
        """The one."""
        return ("m",)

    async def aclose(self):
        """Nothing is open."""


async def chat(client):
    """Stream a chat completion's texts."""
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": ASK}], stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        for choice in chunk.choices:
            if choice.delta.content:
                yield choice.delta.content


async def completions(client):
    """Stream a text completion's texts."""
    async for chunk in await client.completions.create(model="m", prompt=ASK, stream=True):
        for choice in chunk.choices:
            if choice.text:
                yield choice.text


async def responses(client):
    """Stream a response's texts."""
    async for event in await client.responses.create(model="m", input=ASK, stream=True):
        if event.type == "response.output_text.delta":
            yield event.delta


ENDPOINTS = pytest.mark.parametrize("told", [chat, completions, responses])


@ENDPOINTS
async def test_the_first_sentence_comes_before_the_model_has_ended(start, told):
    """And the rest behind it, so that the whole is what the model wrote."""
    model = Waiting(SAFE, REST)
    async with start([], upstream=model, streaming="segment") as started:
        said = ""
        async for piece in told(started.openai):
            said += piece
            if said == SAFE:
                assert not model.ended
                model.go_on.set()
    assert (SAFE + REST, True) == (said, model.ended)


@ENDPOINTS
async def test_a_leak_behind_a_sentence_that_has_gone_out_never_leaves(start, told):
    """The stream ends in the fallback's words, and the generation is ended."""
    model = Waiting(SAFE, LEAK + REST)
    model.go_on.set()
    async with start([], upstream=model, streaming="segment") as started:
        said = "".join([piece async for piece in told(started.openai)])
    assert f"{SAFE}\n{UNAWARE}" == said
    assert model.cancelled


@ENDPOINTS
async def test_without_the_setting_nothing_goes_out_before_the_end(start, told):
    """The whole is verified first, as a leak in its end shows."""
    async with start([SAFE + LEAK + REST], rounds=1) as started:
        said = "".join([piece async for piece in told(started.openai)])
    assert UNAWARE == said


@pytest.mark.parametrize(
    ("path", "body", "end"),
    [
        ("chat/completions", {"messages": [{"role": "user", "content": ASK}]}, "data: [DONE]"),
        ("completions", {"prompt": ASK}, "data: [DONE]"),
        ("responses", {"input": ASK}, "event: response.completed"),
    ],
)
async def test_every_stream_ends_as_clients_expect(start, path, body, end):
    """Also one that was stopped; and of the leak there is nothing in any of its bytes."""
    async with start([SAFE + LEAK], streaming="segment") as started, httpx.AsyncClient() as client:
        answered = await client.post(f"{started.url}/v1/{path}", json={"model": "m", "stream": True, **body})
    assert end in answered.text.strip().split("\n\n")[-1]
    assert "Seltal" not in answered.text
    assert "lake" in answered.text


async def test_a_client_that_goes_away_in_the_middle_ends_the_generation(start):
    """Nobody is left who would read it."""
    model = Waiting(SAFE, REST)
    async with start([], upstream=model, streaming="segment") as started:
        async for _ in chat(started.openai):
            break
        await started.openai.close()
        for _ in range(100):
            if model.cancelled:
                break
            await asyncio.sleep(0.02)
    assert model.cancelled


async def test_what_a_cut_would_break_is_verified_whole(start):
    """An answer that must fit a schema goes out whole, or its fallback does."""
    leaking, safe = (json.dumps({"answer": text}) for text in (SAFE + LEAK, SAFE))
    async with start([leaking, safe], streaming="segment") as started:
        stream = await started.openai.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": ASK}],
            stream=True,
            response_format={"type": "json_object"},
        )
        said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert safe == said


async def test_who_leaves_in_the_middle_pays_for_what_was_read(start):
    """It counts as cancelled; streams carry the request's id and how the key's limits stand."""
    model = Waiting(SAFE, REST)
    settings = {"admin_key": "admin", "metrics_key": "metrics", "streaming": "segment"}
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": ASK}]}
    async with (
        start([], upstream=model, **settings) as started,
        httpx.AsyncClient(base_url=started.url, timeout=30) as http,
    ):
        limited = {"name": "alice", "tokens_per_minute": 10}
        made = await http.post("/admin/keys", json=limited, headers={"x-admin-key": "admin"})
        key = {"authorization": f"Bearer {made.json()['key']}"}
        async with http.stream("POST", "/v1/chat/completions", json=body, headers=key) as answer:
            async for line in answer.aiter_lines():
                if "lake" in line:
                    break
        for _ in range(250):
            text = (await http.get("/metrics", headers={"authorization": "Bearer metrics"})).text
            if 'lethe_answers_total{outcome="cancelled"} 1.0' in text:
                break
            await asyncio.sleep(0.02)
        async with http.stream("POST", "/v1/chat/completions", json=body, headers=key) as after:
            headers = after.headers
    assert 'lethe_answers_total{outcome="cancelled"} 1.0' in text
    assert answer.headers["x-request-id"]
    assert "10" == headers["x-ratelimit-limit-tokens"]
    assert int(headers["x-ratelimit-remaining-tokens"]) < 10


async def test_a_stream_that_is_cut_costs_what_its_usage_says(start):
    """What had gone out and the fallback's words; not what the model wrote and nobody read."""
    body = {"model": "m", "stream": True, "stream_options": {"include_usage": True}}
    body["messages"] = [{"role": "user", "content": ASK}]
    settings = {"admin_key": "admin", "streaming": "segment"}
    async with (
        start([SAFE + LEAK + REST], **settings) as started,
        httpx.AsyncClient(base_url=started.url, timeout=30) as http,
    ):
        limited = {"name": "alice", "tokens_per_minute": 10}
        made = await http.post("/admin/keys", json=limited, headers={"x-admin-key": "admin"})
        key = {"authorization": f"Bearer {made.json()['key']}"}
        cut = (await http.post("/v1/chat/completions", json=body, headers=key)).text.strip().split("\n\n")
        usage = json.loads(cut[-2].removeprefix("data: "))["usage"]
        async with http.stream("POST", "/v1/chat/completions", json=body, headers=key) as after:
            left = int(after.headers["x-ratelimit-remaining-tokens"])
    assert len(f"{SAFE}\n{UNAWARE}".split()) == usage["completion_tokens"]
    assert left < 10
