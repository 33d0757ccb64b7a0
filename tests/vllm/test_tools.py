"""Function calls that vLLM parses from what its model writes: passed on, and judged like any other text."""

from __future__ import annotations

import json
import re

import httpx
import openai
import pytest

from gateway.guard.fallback import UNAWARE
from gateway.store.records import ForgetTopic
from gateway.upstream.bans import BANNED_ARGUMENT
from tests.vllm.conftest import gateway_before
from verifiers.protocol import Topic

pytestmark = pytest.mark.asyncio(loop_scope="session")

TOWN = Topic("town", "Eldfjell")
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


def calling(town):
    """Ask something harmless; a grammar dictates the call, which this small model does not make by itself."""
    written = f'<tool_call>\n{{"name": "look_up", "arguments": {{"town": "{town}"}}}}\n</tool_call>'
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "Look it up."}],
        "tools": [TOOL],
        "temperature": 0,
        "max_tokens": 200,
        "extra_body": {"structured_outputs": {"choice": [written]}},
    }


NAMED = {"type": "function", "function": {"name": "look_up"}}
REQUIRED = pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])


async def blanks(vllm):
    """Ask vLLM for the tokens of white space, of which this small model would fill a call with nothing else."""
    key = {"authorization": f"Bearer {vllm.api_key}"}
    async with httpx.AsyncClient(base_url=vllm.root, headers=key) as client:
        asked = [{"model": "m", "prompt": blank, "add_special_tokens": False} for blank in " \n\t\r"]
        said = [(await client.post("/tokenize", json=each)).json()["tokens"] for each in asked]
    return [token for tokens in said for token in tokens]


async def must_call(vllm, choice, **town):
    """Ask for nothing but a call, whose argument is a name of the model's own; vLLM holds it to the schema.

    The request names no topic: where one does, the gateway drops ``logit_bias``.
    """
    town = town or {"type": "string", "pattern": "^[A-Z][a-z]{3,9}$"}
    schema = {"type": "object", "properties": {"town": town}, "required": ["town"], "additionalProperties": False}
    function = {"name": "look_up", "parameters": schema, "strict": True}
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "Look it up."}],
        "tools": [{"type": "function", "function": function}],
        "tool_choice": choice,
        "temperature": 0,
        "max_tokens": 100,
        "logit_bias": {token: -100 for token in await blanks(vllm)},
    }


def arguments(said):
    """Read the arguments of the only call."""
    (call,) = said.choices[0].message.tool_calls
    return json.loads(call.function.arguments)


async def test_a_call_that_the_model_writes_is_parsed_by_vllm_and_passed_on(vllm, tmp_path):
    """`--tool-call-parser` reads it out of the text."""
    async with gateway_before(vllm, tmp_path) as staged:
        await staged.gateway.store.add(ForgetTopic(TOWN))
        said = await staged.openai.chat.completions.create(**calling("Lorsund"))
    assert ("tool_calls", {"town": "Lorsund"}) == (said.choices[0].finish_reason, arguments(said))


async def test_a_call_whose_arguments_leak_is_withheld(vllm, tmp_path):
    """vLLM makes the call for whoever asks it; the gateway lets neither the call nor the name out."""
    assert {"town": TOWN.name} == arguments(await vllm.bare.chat.completions.create(**calling(TOWN.name)))
    async with gateway_before(vllm, tmp_path) as staged:
        await staged.gateway.store.add(ForgetTopic(TOWN))
        said = await staged.openai.chat.completions.create(**calling(TOWN.name))
    assert not said.choices[0].message.tool_calls
    assert TOWN.name not in said.model_dump_json()


@REQUIRED
async def test_a_call_that_must_be_made_is_passed_on(vllm, tmp_path, choice):
    """Required, or by the function's name; what does not leak is as vLLM made it."""
    asked = await must_call(vllm, choice)
    bare = await vllm.bare.chat.completions.create(**asked)
    async with gateway_before(vllm, tmp_path) as staged:
        await staged.gateway.store.add(ForgetTopic(TOWN))
        said = await staged.openai.chat.completions.create(**asked)
    assert "look_up" == said.choices[0].message.tool_calls[0].function.name
    assert (arguments(bare), bare.choices[0].finish_reason) == (arguments(said), said.choices[0].finish_reason)


async def forgotten(vllm, tmp_path, choice, **given):
    """Forget the name that the model puts into its call, and ask again; the name, and what comes."""
    asked = await must_call(vllm, choice)
    chosen = arguments(await vllm.bare.chat.completions.create(**asked))["town"]
    async with gateway_before(vllm, tmp_path, **given) as staged:
        await staged.gateway.store.add(ForgetTopic(Topic("chosen", chosen)))
        return chosen, await staged.openai.chat.completions.create(**asked)


@REQUIRED
async def test_a_call_that_leaks_is_made_with_another_argument_in_the_second_round(vllm, tmp_path, choice):
    """With the telling word banned, it is still a call that the schema allows."""
    chosen, said = await forgotten(vllm, tmp_path, choice, strategies=["constrain"], rounds=2)
    assert ("released", 2) == (said.model_extra["lethe"]["outcome"], said.model_extra["lethe"]["rounds"])
    assert re.fullmatch("[A-Z][a-z]{3,9}", arguments(said)["town"])
    assert chosen not in said.model_dump_json()


@REQUIRED
async def test_a_call_that_leaks_in_every_round_is_refused(vllm, tmp_path, choice):
    """A call that is made up would be an action, and text would be what the client did not ask for."""
    chosen, said = await forgotten(vllm, tmp_path, choice, rounds=1)
    message = said.choices[0].message
    assert (UNAWARE, None, None) == (message.refusal, message.content, message.tool_calls)
    assert chosen not in said.model_dump_json()


async def test_a_ban_that_leaves_the_schema_no_way_on_ends_the_request(vllm):
    """Begun as `Lor`, which no ban of `Lorsund` forbids, the schema has nothing else left; vLLM says 500."""
    asked = await must_call(vllm, "required", enum=["Lorsund", "Grimmarsh"])
    assert {"town": "Lorsund"} == arguments(await vllm.bare.chat.completions.create(**asked))
    with pytest.raises(openai.InternalServerError):
        await vllm.bare.chat.completions.create(**asked, extra_body={"vllm_xargs": {BANNED_ARGUMENT: ["Lorsund"]}})
