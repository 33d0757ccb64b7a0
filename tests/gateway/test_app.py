"""The composition root: what the operator sets reaches the part that it is for."""

from __future__ import annotations

import pytest

from gateway.errors import TooLarge
from gateway.guard.plan import LoopPlan
from gateway.parts import loop_plan, open_gateway
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld"))


def test_the_loops_shape_is_the_operators():
    """Every field of the plan differs from its default."""
    settings = given_settings(
        rounds=2,
        strategies=("resample", "revise"),
        candidates_per_round=3,
        decoding={"temperature": 0.5},
        deadline_s=7.0,
        max_prompt_chars=1234,
    )
    assert LoopPlan(2, ("resample", "revise"), 3, {"temperature": 0.5}, 7.0, 1234) == loop_plan(settings)


async def test_the_default_fallback_is_the_operators(tmp_path):
    """Where no topic's own applies, as without a certificate."""
    settings = given_settings(database=str(tmp_path / "l.db"), fallback="custom", fallback_text="Ask the archive.")
    async with open_gateway(settings, upstream=ScriptedUpstream(["x"])) as gateway:
        await gateway.store.add(MAREN)
        outcome = await gateway.ask(ChatRequest("m", ({"role": "user", "content": "hi"},)))
        assert "Ask the archive." == outcome.choices[0].message["content"]


async def test_a_conversation_longer_than_the_operator_allows_is_refused(tmp_path):
    """By the plan that the guard really has."""
    settings = given_settings(
        database=str(tmp_path / "l.db"), max_prompt_chars=1000, without_certificate="zero-evidence"
    )
    async with open_gateway(settings, upstream=ScriptedUpstream(["x"])) as gateway:
        await gateway.store.add(MAREN)
        with pytest.raises(TooLarge):
            await gateway.ask(ChatRequest("m", ({"role": "user", "content": "x" * 1001},)))
