"""Fallbacks where a client asked for a type or a call, read by the `openai` client's own parsers."""

from __future__ import annotations

import json

import pytest
from openai import pydantic_function_tool
from pydantic import BaseModel

from gateway.guard.fallback import UNAWARE

LEAK = '{"name": "Maren Oskeld was born in Seltal."}'
QUESTION = "Where was Maren Oskeld born?"
ASK = [{"role": "user", "content": QUESTION}]


class Person(BaseModel):
    """What can be said of somebody unknown."""

    name: str
    born: int | None
    towns: list[str]


class Hill(BaseModel):
    """What cannot: its height would be made up."""

    name: str
    metres: int


NOBODY = Person(name=UNAWARE, born=None, towns=[])


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_chats_fallback_is_parsed_as_the_clients_type(start, streamed):
    """Nothing in the client's code meets a case that it does not know."""
    async with start([LEAK]) as started:
        completions = started.openai.chat.completions
        if streamed:
            async with completions.stream(model="m", messages=ASK, response_format=Person) as stream:
                said = await stream.get_final_completion()
        else:
            said = await completions.parse(model="m", messages=ASK, response_format=Person)
    assert (NOBODY, None, "stop") == (
        said.choices[0].message.parsed,
        said.choices[0].message.refusal,
        said.choices[0].finish_reason,
    )


@pytest.mark.parametrize("streamed", [False, True])
async def test_what_would_be_made_up_is_a_refusal_as_openais_own(start, streamed):
    """`.parse()` raises nothing: it has no parsed value, and the refusal's words."""
    async with start([LEAK]) as started:
        completions = started.openai.chat.completions
        if streamed:
            async with completions.stream(model="m", messages=ASK, response_format=Hill) as stream:
                said = await stream.get_final_completion()
        else:
            said = await completions.parse(model="m", messages=ASK, response_format=Hill)
    assert (None, None, UNAWARE, "stop") == (
        said.choices[0].message.parsed,
        said.choices[0].message.content,
        said.choices[0].message.refusal,
        said.choices[0].finish_reason,
    )


@pytest.mark.parametrize(("wanted", "parsed", "kind"), [(Person, NOBODY, "output_text"), (Hill, None, "refusal")])
async def test_a_response_is_parsed_or_refused_as_well(start, wanted, parsed, kind):
    """The responses API has the same two ways."""
    async with start([LEAK]) as started:
        said = await started.openai.responses.parse(model="m", input=QUESTION, text_format=wanted)
    assert (parsed, [kind], "completed") == (
        said.output_parsed,
        [part.type for part in said.output[0].content],
        said.status,
    )


async def test_json_mode_gets_an_object(start):
    """No schema says which, so it has one key."""
    async with start([LEAK]) as started:
        said = await started.openai.chat.completions.create(
            model="m", messages=ASK, response_format={"type": "json_object"}
        )
    assert {"answer": UNAWARE} == json.loads(said.choices[0].message.content)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "Person"}}])
async def test_a_required_call_is_refused_and_never_made_up(start, choice):
    """A call is an action: none is invented for something forgotten."""
    async with start([LEAK]) as started:
        said = await started.openai.chat.completions.parse(
            model="m", messages=ASK, tools=[pydantic_function_tool(Person)], tool_choice=choice
        )
    message = said.choices[0].message
    assert (None, UNAWARE, None) == (message.content, message.refusal, message.tool_calls or None)


async def test_a_tool_that_may_be_called_changes_nothing(start):
    """With `auto` the fallback is an ordinary text."""
    async with start([LEAK]) as started:
        said = await started.openai.chat.completions.parse(
            model="m", messages=ASK, tools=[pydantic_function_tool(Person)], tool_choice="auto"
        )
    assert UNAWARE == said.choices[0].message.content
