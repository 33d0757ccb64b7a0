"""Answers that arrive whole and are not what they should be, and streams that break off or never end."""

from __future__ import annotations

import asyncio
import time

import orjson
import pytest

from gateway.guard.fallback import UNAWARE
from tests.faults.model import LAKE, LEAK, answering, dripping, endless, event, head, saying

SSE = "text/event-stream"
SAID = LEAK.strip()
MESSAGE = {"role": "assistant", "content": "I do not know."}


def answer_with(**fields):
    """Make an answer whose only message has these fields."""
    return {"choices": [{"message": {**MESSAGE, **fields}}]}


def call_with(**fields):
    """Make an answer whose only message calls a tool with these fields."""
    return answer_with(tool_calls=[fields])


SHAPES = [
    None,
    [],
    {},
    SAID,
    7,
    [SAID],
    {"choices": SAID},
    {"choices": [SAID]},
    {"choices": [[SAID]]},
    {"choices": {SAID: 1}},
    {"choices": [{"message": SAID}]},
    {"choices": [{"text": SAID, "finish_reason": "stop"}]},
    {"choices": [{"delta": {"content": SAID}, "finish_reason": "stop"}]},
    {"choices": [{"message": {"content": SAID, "role": SAID}, "finish_reason": SAID}]},
    {"choices": [{"message": MESSAGE, "finish_reason": {SAID: SAID}, "logprobs": {"content": [{"token": SAID}]}}]},
    {
        "choices": [{"message": MESSAGE, "index": SAID}, {"message": MESSAGE, "index": 0}],
        "model": SAID,
        "id": SAID,
    },
    answer_with(content=7),
    answer_with(content={"text": SAID}),
    answer_with(content=[SAID]),
    answer_with(content=[{"type": "text", "text": SAID}]),
    answer_with(refusal=SAID, name=SAID),
    answer_with(reasoning_content=SAID),
    answer_with(audio={"transcript": SAID}, annotations=[{"title": SAID}], Seltal=SAID),
    answer_with(function_call={"name": "f", "arguments": SAID}),
    answer_with(tool_calls=SAID),
    call_with(id=SAID, function={"name": "f", "arguments": SAID}),
    call_with(id=SAID, type=SAID, function={"name": SAID}),
    {**answer_with(), "usage": {"prompt_tokens": SAID, "completion_tokens": -1}, "model": [SAID]},
    {**answer_with(), "usage": SAID, "system_fingerprint": SAID, "service_tier": SAID, "created": SAID},
    {**answer_with(), "prompt_logprobs": [SAID], "error": {"message": SAID}, SAID: SAID},
    {"error": {"message": SAID}, "detail": SAID},
]


async def misshapen(body, writer):
    """Answer in the shape of the number in the question; of a stream, as its only event."""
    number = next(said for said in map(str.strip, body["messages"][0]["content"].split("shape")) if said.isdigit())
    shape = orjson.dumps(SHAPES[int(number)])
    as_events = shape.replace(b'"message":', b'"delta":')
    streamed = head(kind=SSE) + b"data: " + as_events + b"\n\n" + event({}, "stop") + b"data: [DONE]\n\n"
    writer.write(streamed if body.get("stream") else head(length=len(shape)) + shape)
    await writer.drain()


@pytest.mark.parametrize("streaming", ["whole", "segment"])
@pytest.mark.parametrize("way", [{}, {"stream": True}], ids=["plain", "streamed"])
async def test_a_wrong_shape_is_withheld_or_stripped(face, way, streaming):
    """The secret in every field that an answer has or could have: none of it goes out, and no status is 500."""
    async with face(misshapen, streaming=streaming) as faced:
        asked = [faced.ask(f"Where was Maren Oskeld born? shape {number}", **way) for number in range(len(SHAPES))]
        answers = await asyncio.gather(*asked)
        assert {200, 502} == {answer.status for answer in answers}
        assert await faced.recovers()


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
async def test_a_stream_that_is_cut_after_a_sentence_ends_in_the_fallbacks_words(face, path):
    """What had passed stays, what was not whole never leaves, and the stream ends as clients expect."""

    def part(text):
        if path == "/v1/completions":
            return b"data: " + orjson.dumps({"choices": [{"index": 0, "text": text}]}) + b"\n\n"
        return event({"content": text})

    cut = head(kind=SSE) + part(LAKE) + part(LAKE) + part("It is deep and Maren Oskeld was born in Sel")
    async with face(answering(cut), streaming="segment") as faced:
        answer = await faced.ask(path=path, stream=True)
        assert 200 == answer.status
        assert (True, True) == (b"lake" in answer.body, UNAWARE.split()[-1].encode() in answer.body)
        assert b"deep" not in answer.body
        assert any(last in answer.body[-2000:] for last in (b"data: [DONE]", b"event: response.completed"))
        faced.model.behave = saying(LAKE)
        assert b"lake" in (await faced.ask("Where is the lake?", path="/v1/chat/completions", stream=True)).body


async def test_a_stream_that_never_ends_is_ended_and_others_are_answered_meanwhile(face):
    """At the limit of its size or at the deadline: the model server sees its connection closed."""
    async with face(endless(head(kind=SSE), event({"content": LAKE}) * 100), streaming="segment") as faced:
        flooded = [asyncio.create_task(faced.ask("Where is the lake?", stream=True)) for _ in range(3)]
        await asyncio.sleep(0.3)
        began = time.monotonic()
        healthy = await faced.get("/healthz")
        assert (200, True) == (healthy.status, time.monotonic() - began < 3)
        answers = await asyncio.gather(*flooded)
        assert [200] * 3 == [answer.status for answer in answers]
        assert all(answer.body.endswith(b"data: [DONE]\n\n") for answer in answers)
        assert all(len(answer.body) < 20_000_000 for answer in answers)
        for _ in range(100):
            if faced.model.cut_off >= 3:
                break
            await asyncio.sleep(0.02)
        assert 3 == faced.model.cut_off
        assert await faced.recovers()


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/models"])
@pytest.mark.parametrize(
    "fault", [dripping(head(), b" "), endless(head(), b" " * 65_536), answering(head() + LEAK.encode())]
)
async def test_what_is_asked_beside_answers_ends_as_well(face, path, fault):
    """Vectors and the list of models: slow, endless or garbage, it is an error before long."""
    async with face(fault, topics=()) as faced:
        asked = faced.ask("lake", path=path) if path == "/v1/embeddings" else faced.get(path)
        assert (await asked).status in (502, 504)
        assert await faced.recovers()


async def test_a_server_that_keeps_failing_is_left_alone_and_asked_again_by_itself(face):
    """After the pause one request tries it; nobody has to restart anything."""
    async with face(answering(b""), breaker_failures=3, breaker_pause_s=0.5) as faced:
        statuses = [(await faced.ask()).status for _ in range(5)]
        assert [502, 502, 502, 503, 503] == statuses
        assert 3 == len(faced.model.asked)
        await asyncio.sleep(0.6)
        assert await faced.recovers()
