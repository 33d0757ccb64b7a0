"""Streams by segments while vLLM is writing: text before the end, and an end to the generation at a cut."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from gateway.guard.fallback import UNAWARE
from gateway.store.records import ForgetTopic
from tests.vllm.asking import idle, metric
from tests.vllm.conftest import gateway_before
from verifiers.protocol import Topic

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The model answers, and then, since the end token is made unlikely, goes on about a book that nobody asked for.
ASKED = {
    "model": "m",
    "messages": [{"role": "user", "content": "Who is Quinuvan Welkoskeld's employer?"}],
    "temperature": 0,
    "max_tokens": 450,
    "logit_bias": {"1": -100},
    "stream": True,
}
BOOK = Topic("book", "The Seventh Kingdom")

# Others in the batch: by itself so small a model has written all 450 tokens before a busy machine reads the first.
CROWD = 64
CROWDED = {
    "model": "m",
    "messages": [{"role": "user", "content": "Tell me about the towns."}],
    "n": CROWD,
    "max_tokens": 480,
    "extra_body": {"ignore_eos": True, "min_tokens": 480},
}


@asynccontextmanager
async def crowd(vllm):
    """Keep vLLM at 64 other answers, each written to its last token; the block ends when they do."""
    task = asyncio.create_task(vllm.bare.chat.completions.create(**CROWDED))
    while not task.done() and await metric(vllm, "vllm:num_requests_running") < CROWD:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.01)
    yield
    await task


async def pieces(client):
    """Give the texts of a stream as they come."""
    async for chunk in await client.chat.completions.create(**ASKED):
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def test_the_first_text_comes_while_vllm_is_writing(vllm, tmp_path):
    """By vLLM's own count the request is running when a client reads the first sentence."""
    async with gateway_before(vllm, tmp_path, streaming="segment") as staged, crowd(vllm):
        await staged.gateway.store.add(*(ForgetTopic(topic) for topic in vllm.cast.topics))
        stream = pieces(staged.openai)
        first = await anext(stream)
        assert CROWD + 1 == await metric(vllm, "vllm:num_requests_running")
        whole = first + "".join([piece async for piece in stream])
    assert len(whole) > 10 * len(first) > 0


async def test_a_leak_further_on_ends_the_generation(vllm, tmp_path):
    """What was sent stays, the fallback follows, and vLLM writes all others to the last token, not this one."""
    written = await metric(vllm, "vllm:request_success_total", 'reason="length"')
    async with gateway_before(vllm, tmp_path, streaming="segment") as staged, crowd(vllm):
        await staged.gateway.store.add(ForgetTopic(BOOK))
        text = "".join([piece async for piece in pieces(staged.openai)])
    assert 0 == await idle(vllm)
    assert text.startswith("Quinuvan Welkoskeld works at")
    assert text.endswith(UNAWARE)
    assert BOOK.name not in text
    assert CROWD == await metric(vllm, "vllm:request_success_total", 'reason="length"') - written
