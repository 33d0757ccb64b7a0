"""The responses API with the unmodified OpenAI client: the same guard, no store."""

from __future__ import annotations

import openai
import pytest

from gateway.guard.fallback import UNAWARE
from gateway.upstream.protocol import Choice, Completion, Usage

LEAK = "Maren Oskeld was born in Seltal."
ASK = "Where was Maren Oskeld born?"
TOOL = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}, "strict": None}
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"what": "hills"}'}}


def answered(message, finish_reason="stop"):
    """Make a completion of one message."""
    return Completion("m", (Choice({"role": "assistant", **message}, finish_reason),), Usage(3, 4))


async def test_a_text_and_instructions_become_a_chat(start):
    """The client reads the answer as output text, with its usage."""
    async with start(["It is Mount Ell."]) as started:
        said = await started.openai.responses.create(
            model="m", input="Which hill?", instructions="Be brief.", max_output_tokens=20, temperature=0
        )
    assert ("It is Mount Ell.", "completed") == (said.output_text, said.status)
    assert said.usage.total_tokens == said.usage.input_tokens + said.usage.output_tokens > 0
    asked = started.upstream.requests[0]
    assert [("system", "Be brief."), ("user", "Which hill?")] == [
        (m["role"], m["content"]) for m in asked.messages
    ]
    assert {"max_completion_tokens": 20, "temperature": 0} == dict(asked.parameters)


async def test_a_leak_is_refined_and_never_seen(start):
    """The same loop as for chats."""
    async with start([LEAK, "I do not know that."]) as started:
        raw = await started.openai.responses.with_raw_response.create(model="m", input=ASK)
    assert "I do not know that." == raw.parse().output_text
    assert "Seltal" not in raw.text


async def test_a_model_that_always_leaks_is_answered_by_an_ordinary_response(start):
    """Completed, with the fallback's words."""
    async with start([LEAK]) as started:
        said = await started.openai.responses.create(model="m", input=ASK)
    assert (UNAWARE, "completed") == (said.output_text, said.status)


async def test_a_conversation_with_calls_goes_to_the_model_in_its_own_words(start):
    """Calls and their outputs become an assistant's and a tool's turn."""
    given = [
        {"role": "user", "content": [{"type": "input_text", "text": "Which hill?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "look_up", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "Mount Ell"},
    ]
    async with start(["Mount Ell."]) as started:
        await started.openai.responses.create(model="m", input=given, tools=[TOOL])
    asked = started.upstream.requests[0]
    assert ["user", "assistant", "tool"] == [message["role"] for message in asked.messages]
    assert "look_up" == asked.messages[1]["tool_calls"][0]["function"]["name"]
    assert "look_up" == asked.parameters["tools"][0]["function"]["name"]


async def test_a_call_and_what_was_thought_are_output_items(start):
    """A tool call can be answered by its call id."""
    message = {"content": None, "reasoning_content": "Hm.", "tool_calls": [CALL]}
    async with start([answered(message, "tool_calls")]) as started:
        said = await started.openai.responses.create(model="m", input="Which hill?", tools=[TOOL])
    assert ["reasoning", "function_call"] == [item.type for item in said.output]
    assert ("look_up", '{"what": "hills"}') == (said.output[1].name, said.output[1].arguments)


async def test_a_leak_in_a_call_is_withheld(start):
    """The arguments are a channel like any other."""
    leaking = {**CALL, "function": {"name": "note", "arguments": '{"text": "Maren Oskeld was born in Seltal."}'}}
    async with start([answered({"content": None, "tool_calls": [leaking]}, "tool_calls")]) as started:
        said = await started.openai.responses.create(model="m", input=ASK, tools=[TOOL])
    assert UNAWARE == said.output_text


async def test_an_answer_that_was_cut_is_incomplete(start):
    """As the client expects where the tokens ran out."""
    async with start([answered({"content": "It is"}, "length")]) as started:
        said = await started.openai.responses.create(model="m", input="Which hill?", max_output_tokens=2)
    assert ("incomplete", "max_output_tokens") == (said.status, said.incomplete_details.reason)


async def test_a_stream_tells_the_same_as_a_whole_response(start):
    """The client's own helper puts the events together."""
    events, text = [], ""
    async with (
        start([LEAK, "I do not  know\nthat."]) as started,
        started.openai.responses.stream(model="m", input=ASK) as stream,
    ):
        async for event in stream:
            events.append(event.type)
            text += event.delta if event.type == "response.output_text.delta" else ""
        final = await stream.get_final_response()
    assert "I do not  know\nthat." == text == final.output_text
    assert ("response.created", "response.completed") == (events[0], events[-1])


async def test_a_streamed_call_arrives_whole(start):
    """With its name and arguments."""
    async with (
        start([answered({"content": None, "tool_calls": [CALL]}, "tool_calls")]) as started,
        started.openai.responses.stream(model="m", input="Which hill?", tools=[TOOL]) as stream,
    ):
        final = await stream.get_final_response()
    assert [("look_up", '{"what": "hills"}')] == [(item.name, item.arguments) for item in final.output]


async def test_structured_output_asks_for_the_clients_schema(start):
    """`text.format` becomes the chat dialect's `response_format`."""
    form = {"type": "json_schema", "name": "hill", "schema": {"type": "object"}, "strict": True}
    async with start(['{"hill": "Ell"}']) as started:
        await started.openai.responses.create(model="m", input="Which hill?", text={"format": form})
    expected = {
        "type": "json_schema",
        "json_schema": {"name": "hill", "schema": {"type": "object"}, "strict": True},
    }
    assert expected == started.upstream.requests[0].parameters["response_format"]


@pytest.mark.parametrize(
    "bad",
    [
        {"input": []},
        {"input": [{"type": "item_reference", "id": "x"}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
        {"input": [{"role": "user", "content": 3}]},
        {"input": [{"type": "function_call", "call_id": "c", "name": "f"}]},
        {"input": "a", "previous_response_id": "resp_1"},
        {"input": "a", "background": True},
        {"input": "a", "tools": [{"type": "web_search"}]},
        {"input": "a", "tools": ["x"]},
        {"input": "a", "text": {"format": {"type": "grammar"}}},
        {"input": "a", "extra_body": {"unheard_of": 1}},
    ],
)
async def test_what_is_not_served_is_refused(start, bad):
    """A 400 that names the field; the model is not asked."""
    async with start(["x"]) as started:
        with pytest.raises(openai.BadRequestError) as refused:
            await started.openai.responses.create(model="m", **bad)
    assert refused.value.param
    assert [] == started.upstream.requests


async def test_a_role_in_which_text_could_hide_is_refused(start):
    """As in chats."""
    async with start(["x"]) as started:
        with pytest.raises(openai.BadRequestError):
            await started.openai.responses.create(model="m", input=[{"role": "oracle", "content": "a"}])
