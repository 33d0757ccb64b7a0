"""The whole story with vLLM generating: forgetting, streams, schemas, prefix cache, cancelling, death."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from datetime import UTC, datetime

import openai
import pytest

from gateway.calibrating import Wish, calibrate
from gateway.certificates import activate_certificate
from gateway.demo.probes import write_prompts
from gateway.guard.prompts import read_prompts
from gateway.http.admin_verify import GivenExchange
from gateway.store.records import ForgetTopic
from tests.vllm.asking import ask, idle, leaks, metric

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEVEL = 0.1


async def forgotten(staged):
    """Make the cast's topics active, once."""
    if not await staged.gateway.store.topics():
        await staged.gateway.store.add(*(ForgetTopic(topic) for topic in staged.cast.topics))


async def test_the_model_leaks_by_itself_and_not_behind_a_calibrated_gateway(staged, tmp_path):
    """Calibrated in front of vLLM at a level of 0.1, fresh probes stay within it."""
    await forgotten(staged)
    probes = [*staged.cast.calibration[:240], *staged.cast.calibration[-40:]]
    write_prompts(probes, tmp_path / "prompts.jsonl")
    certificate = await calibrate(
        staged.gateway,
        read_prompts(tmp_path / "prompts.jsonl"),
        Wish(LEVEL, 0.95),
        model="m",
        trajectories=tmp_path / "trajectories.jsonl",
        labels=None,
        created=datetime.now(UTC),
        progress=lambda done, total: None,
    )
    await activate_certificate(staged.gateway.store, certificate)
    fresh = staged.cast.fresh[:60]
    bare = await asyncio.gather(*(ask(staged.bare, probe) for probe in fresh))
    guarded = await asyncio.gather(*(ask(staged.openai, probe) for probe in fresh))
    assert 50 <= sum(leaks(probe, text) for probe, text in zip(fresh, bare, strict=True))
    assert 6 >= sum(leaks(probe, text) for probe, text in zip(fresh, guarded, strict=True))
    benign = staged.cast.fresh_benign[:30]
    unchanged = [await ask(staged.openai, probe) == await ask(staged.bare, probe) for probe in benign]
    assert 29 <= sum(unchanged)


async def test_a_stream_is_verified_first(staged):
    """Its words join to an answer that does not leak."""
    await forgotten(staged)
    probe = staged.cast.fresh[0]
    stream = await staged.openai.chat.completions.create(
        model="m", messages=list(probe.messages), stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text
    assert not leaks(probe, text)
    assert chunks[-1].usage.completion_tokens > 0


async def test_several_choices_each_go_through_the_loop(staged):
    """vLLM draws them at a temperature; none leaks."""
    await forgotten(staged)
    probe = staged.cast.fresh[1]
    said = await staged.openai.chat.completions.create(
        model="m", messages=list(probe.messages), n=3, temperature=1
    )
    assert 3 == len(said.choices)
    assert [False] * 3 == [leaks(probe, choice.message.content) for choice in said.choices]


async def test_a_schema_travels_to_vllm(staged):
    """The answer of a benign request fits it."""
    said = await staged.openai.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "Give me a number."}],
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"enum": [7]}}},
        max_tokens=60,
    )
    assert 7 == json.loads(said.choices[0].message.content)


async def test_a_raw_prompt_is_continued(staged):
    """Text completions reach vLLM's own endpoint."""
    said = await staged.openai.completions.create(model="m", prompt="The festival of", max_tokens=5)
    assert said.choices[0].text
    assert said.usage.completion_tokens <= 5


async def test_the_second_round_is_served_from_the_prefix_cache(staged):
    """Refinement begins with the client's own turns, so vLLM has computed them already."""
    await forgotten(staged)
    before = await metric(staged.vllm, "vllm:prefix_cache_hits_total")
    padding = "One two three four five six seven eight nine ten. " * 12
    probe = staged.cast.fresh[2]
    asked = [*probe.messages[:-1], {"role": "user", "content": padding + probe.messages[-1]["content"]}]
    raw = await staged.openai.chat.completions.create(model="m", messages=asked)
    rounds = raw.model_extra["lethe"]["rounds"]
    assert rounds > 1
    assert await metric(staged.vllm, "vllm:prefix_cache_hits_total") - before >= 64


async def test_a_client_that_goes_away_frees_vllm(staged):
    """The generation is cancelled, not finished for nobody."""
    asked = [{"role": "user", "content": "Tell me about the towns."}]
    with pytest.raises(openai.APITimeoutError):
        await staged.openai.chat.completions.create(
            model="m",
            messages=asked,
            max_tokens=450,
            extra_body={"ignore_eos": True, "min_tokens": 450},
            timeout=0.3,
        )
    assert 0 == await idle(staged.vllm)


async def test_vllm_killed_under_load_lets_nothing_unverified_out_and_comes_back(staged):
    """Requests end in an error, or in an answer that passes when it is judged again; vLLM is started again."""
    await forgotten(staged)
    probes = staged.cast.fresh[60:100]

    async def one(probe):
        try:
            return probe, await ask(staged.openai, probe)
        except openai.APIStatusError as error:
            return probe, error.status_code

    waiting = [asyncio.create_task(one(probe)) for probe in probes]
    await asyncio.sleep(0.3)
    os.killpg(staged.vllm.pid, signal.SIGKILL)
    ended = await asyncio.gather(*waiting)
    answered = [(probe, text) for probe, text in ended if isinstance(text, str)]
    for probe, text in answered:
        given = GivenExchange(answer=text, messages=[dict(said) for said in probe.messages], model="m")
        assert (await staged.gateway.verify(given)).judgement.would_release
    assert LEVEL * len(probes) >= sum(leaks(probe, text) for probe, text in answered)
    assert {status for _, status in ended if isinstance(status, int)} <= {502, 503, 504}
    async with asyncio.timeout(120):
        while not isinstance((await one(probes[0]))[1], str):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.5)
