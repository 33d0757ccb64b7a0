"""Function calls that vLLM parses from what its model writes: passed on, and judged like any other text."""

from __future__ import annotations

import json

import pytest

from gateway.store.records import ForgetTopic
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
