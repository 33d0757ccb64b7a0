"""The `openai` package as an application uses it: both clients, its stream helpers, tools, parsed answers."""

from __future__ import annotations

import asyncio

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from gateway.guard.fallback import UNAWARE
from gateway.upstream.protocol import Choice, Completion

ANSWER = "It is Mount Ell."
LEAK = "Maren Oskeld was born in Seltal."
ASK = [{"role": "user", "content": "Which hill?"}]
ABOUT_MAREN = [{"role": "user", "content": "Where was Maren Oskeld born?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"what": {"type": "string"}},
            "required": ["what"],
            "additionalProperties": False,
        },
    },
}
CALLS = [
    {"id": f"c{n}", "type": "function", "function": {"name": "look_up", "arguments": f'{{"what": "{what}"}}'}}
    for n, what in enumerate(("hills", "lakes"))
]


class Hill(BaseModel):
    """A hill."""

    name: str
    metres: int


def model(request):
    """Say of Maren what is forgotten, keep to a schema, call two tools and answer from what they gave."""
    last = request.messages[-1]
    if "Maren" in str(last["content"]):
        return LEAK
    if "response_format" in request.parameters:
        return '{"name": "Mount Ell", "metres": 2100}'
    if "tools" in request.parameters and last["role"] == "user":
        return Completion(
            "m", (Choice({"role": "assistant", "content": None, "tool_calls": CALLS}, "tool_calls"),)
        )
    return ANSWER


async def test_the_synchronous_client_asks_whole_and_streamed(start):
    """From a thread, as an application without an event loop would."""

    def ask(url):
        with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
            whole = client.chat.completions.create(model="m", messages=ASK)
            pieces = list(client.chat.completions.create(model="m", messages=ASK, stream=True))
            return whole.choices[0].message.content, "".join(p.choices[0].delta.content or "" for p in pieces)

    async with start(model) as started:
        assert (ANSWER, ANSWER) == await asyncio.to_thread(ask, started.url)


async def test_the_asynchronous_client_asks_many_things_at_once(start):
    """Each gets its own answer."""
    async with start(model) as started:
        create = started.openai.chat.completions.create
        asked = [create(model="m", messages=messages) for messages in (ASK, ABOUT_MAREN) * 4]
        said = [one.choices[0].message.content for one in await asyncio.gather(*asked)]
    assert [ANSWER, UNAWARE] * 4 == said


async def test_the_stream_helper_puts_an_answer_and_its_usage_together(start):
    """With `stream()`, which checks every chunk on the way."""
    async with (
        start(model) as started,
        started.openai.chat.completions.stream(
            model="m", messages=ASK, stream_options={"include_usage": True}
        ) as stream,
    ):
        kinds = {event.type async for event in stream}
        said = await stream.get_final_completion()
    assert (ANSWER, "stop") == (said.choices[0].message.content, said.choices[0].finish_reason)
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert said.usage.total_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
async def test_tools_are_called_in_parallel_and_their_results_answered(start, stream):
    """Two calls in one answer, handed back with the ids that the client was given."""
    async with start(model) as started:
        completions = started.openai.chat.completions
        if stream:
            async with completions.stream(model="m", messages=ASK, tools=[TOOL]) as streaming:
                called = (await streaming.get_final_completion()).choices[0].message
        else:
            called = (await completions.create(model="m", messages=ASK, tools=[TOOL])).choices[0].message
        results = [{"role": "tool", "tool_call_id": call.id, "content": "Ell"} for call in called.tool_calls]
        told = [*ASK, called.model_dump(exclude_none=True), *results]
        said = await completions.create(model="m", messages=told, tools=[TOOL])
    assert ['{"what": "hills"}', '{"what": "lakes"}'] == [call.function.arguments for call in called.tool_calls]
    assert 2 == len({call.id for call in called.tool_calls})
    assert ANSWER == said.choices[0].message.content


async def test_an_answer_is_parsed_into_the_clients_own_type(start):
    """Structured output with `.parse`, and a tool's arguments."""
    async with start(model) as started:
        said = await started.openai.chat.completions.parse(model="m", messages=ASK, response_format=Hill)
        called = await started.openai.chat.completions.parse(model="m", messages=ASK, tools=[TOOL])
    assert Hill(name="Mount Ell", metres=2100) == said.choices[0].message.parsed
    assert "hills" in str(called.choices[0].message.tool_calls[0].function.arguments)


async def test_a_refusal_is_what_parse_gives_where_the_operator_lets_it(start):
    """An application that asks for a type sees a content filter, not a text that is no JSON."""
    async with start(model, fallback_finish_reason="content_filter") as started:
        with pytest.raises(openai.ContentFilterFinishReasonError):
            await started.openai.chat.completions.parse(model="m", messages=ABOUT_MAREN, response_format=Hill)


async def test_responses_are_parsed_streamed_and_continued(start):
    """A type of the client's own, the stream helper, and a call's output handed back."""
    tool = {"type": "function", **TOOL["function"]}
    async with start(model) as started:
        responses = started.openai.responses
        parsed = await responses.parse(model="m", input="Which hill?", text_format=Hill)
        async with responses.stream(model="m", input="Which hill?") as stream:
            streamed = await stream.get_final_response()
        called = await responses.create(model="m", input=ASK, tools=[tool])
        outputs = [
            {"type": "function_call_output", "call_id": item.call_id, "output": "Ell"} for item in called.output
        ]
        again = [*ASK, *(item.model_dump(exclude_none=True) for item in called.output), *outputs]
        said = await responses.create(model="m", input=again, tools=[tool])
    assert Hill(name="Mount Ell", metres=2100) == parsed.output_parsed
    assert [ANSWER, ANSWER] == [streamed.output_text, said.output_text]


async def test_text_completions_are_asked_whole_and_streamed(start):
    """One prompt and several."""
    async with start(model) as started:
        whole = await started.openai.completions.create(model="m", prompt=["The hill is", "Maren Oskeld is from"])
        stream = await started.openai.completions.create(model="m", prompt="The hill is", stream=True)
        text = "".join([chunk.choices[0].text async for chunk in stream])
    assert ([ANSWER, UNAWARE], ANSWER) == ([choice.text for choice in whole.choices], text)


async def test_models_are_found_by_their_names_with_slashes_and_all(start):
    """As clients that look a model up before they use it do."""
    async with start(model) as started:
        with pytest.raises(openai.NotFoundError) as missing:
            await started.openai.models.retrieve("some/one")
        assert "m" == (await started.openai.models.retrieve("m")).id
    assert ("model_not_found", "model") == (missing.value.code, missing.value.param)
