"""Every answer in the shape that the `openai` package's own types describe: nothing missing, nothing unknown."""

from __future__ import annotations

import httpx
import orjson
import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from gateway.upstream.protocol import Choice, Embeddings, Usage
from gateway.upstream.protocol import Completion as Generated

LEAK = "Maren Oskeld was born in Seltal."
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"what": "hills"}'}}
CALLING = {"role": "assistant", "content": "Let me see.", "reasoning_content": "Hm.", "tool_calls": [CALL]}
SCRIPTS = {
    "an answer": ["It is Mount Ell."],
    "a call": [Generated("m", (Choice(CALLING, "tool_calls"),), Usage(3, 4))],
    "an answer cut short": [Generated("m", (Choice({"role": "assistant", "content": "It"}, "length"),))],
    "the fallback": [LEAK],
}
ASK = [{"role": "user", "content": "Where was Maren Oskeld born?"}]
BODIES = {
    "/v1/chat/completions": {"model": "m", "messages": ASK, "n": 2, "metadata": {"ticket": "T-1"}},
    "/v1/completions": {"model": "m", "prompt": ["Which hill?", "Maren Oskeld was born in"]},
    "/v1/responses": {
        "model": "m",
        "input": "Where was Maren Oskeld born?",
        "instructions": "Be brief.",
        "temperature": 0,
        "metadata": {"ticket": "T-1"},
        "tools": [{"type": "function", "name": "look_up", "parameters": {"type": "object"}, "strict": False}],
        "text": {"format": {"type": "json_schema", "name": "hill", "schema": {"type": "object"}}},
    },
}
CASES = [(path, said) for path in BODIES for said in SCRIPTS if (path, said) != ("/v1/completions", "a call")]
"""No model calls a tool in a text completion."""
WHOLE = {"/v1/chat/completions": ChatCompletion, "/v1/completions": Completion, "/v1/responses": Response}
PIECE = {
    "/v1/chat/completions": ChatCompletionChunk,
    "/v1/completions": Completion,
    "/v1/responses": ResponseStreamEvent,
}
BEYOND = {"reasoning_content", "store", "name"}
"""What other servers add and their clients read, and what OpenAI sends (a finished call's name, too) untyped."""


def unheard_of(value: object) -> set[str]:
    """Find fields that the package's types do not have, at any depth."""
    if isinstance(value, BaseModel):
        inner = [getattr(value, name) for name in type(value).model_fields]
        return set(value.model_extra or {}).union(*map(unheard_of, inner))
    if isinstance(value, list | tuple):
        return set().union(*map(unheard_of, value))
    return set()


def read(shape: object, text: str) -> object:
    """Read strictly: a text is no number, a number no text."""
    return TypeAdapter(shape).validate_json(text, strict=True)


def events_of(stream: str) -> list[str]:
    """Take the data of each event but the last, `[DONE]`, of a stream."""
    lines = [line.removeprefix("data: ") for line in stream.split("\n") if line.startswith("data: ")]
    return [line for line in lines if line != "[DONE]"]


def as_typed(path: str, event: str) -> str:
    """End every piece of a text completion: OpenAI's own pieces end in null, which the package's type denies."""
    return event.replace('"finish_reason":null', '"finish_reason":"stop"') if path == "/v1/completions" else event


@pytest.mark.parametrize("finish", ["stop", "content_filter"])
@pytest.mark.parametrize(("path", "said"), CASES)
async def test_answers_and_events_have_openais_shapes(start, path, said, finish):
    """Whole and in a stream with usage, for all that an answer can be."""
    body = BODIES[path]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    async with start(SCRIPTS[said], fallback_finish_reason=finish) as started, httpx.AsyncClient() as client:
        whole = await client.post(started.url + path, json=body)
        stream = await client.post(started.url + path, json={**body, **options})
    pieces = [read(PIECE[path], as_typed(path, event)) for event in events_of(stream.text)]
    found = unheard_of(read(WHOLE[path], whole.text)).union(*map(unheard_of, pieces))
    assert set() == found - BEYOND
    assert len(pieces) > 2


async def test_the_events_of_a_response_are_numbered_and_begin_and_end_it(start):
    """From 0 on, without a gap; each item is announced before its parts and closed after them."""
    async with start(SCRIPTS["a call"], topics=()) as started, httpx.AsyncClient() as client:
        stream = await client.post(
            f"{started.url}/v1/responses", json={"model": "m", "input": "Which hill?", "stream": True}
        )
    events = [orjson.loads(event) for event in events_of(stream.text)]
    assert list(range(len(events))) == [event["sequence_number"] for event in events]
    kinds = [event["type"].removeprefix("response.") for event in events]
    part = ["content_part.added", "content_part.done"]
    assert ["created", "in_progress", "output_item.added", part[0], "reasoning_text.delta"] == kinds[:5]
    assert ["reasoning_text.done", part[1], "output_item.done", "output_item.added", part[0]] == kinds[5:10]
    assert ["function_call_arguments.done", "output_item.done", "completed"] == kinds[-3:]


async def test_models_and_embeddings_have_openais_shapes(start):
    """The list, one model, and vectors."""
    async with start(["x"]) as started, httpx.AsyncClient() as client:

        async def embed(request):
            return Embeddings(((1.0, 2.0),), 3)

        started.upstream.embed = embed
        one = await client.get(f"{started.url}/v1/models/m")
        listed = await client.get(f"{started.url}/v1/models")
        made = await client.post(f"{started.url}/v1/embeddings", json={"model": "m", "input": "a hill"})
    shapes = [read(Model, one.text), read(CreateEmbeddingResponse, made.text)]
    shapes += [Model.model_validate(entry, strict=True) for entry in listed.json()["data"]]
    assert [set()] * 3 == [unheard_of(shape) for shape in shapes]
    assert "list" == listed.json()["object"]
