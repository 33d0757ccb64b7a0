"""How a fallback ends, in each dialect: as any answer, or, where the operator says so, as a refusal."""

from __future__ import annotations

import pytest

from gateway.guard.fallback import UNAWARE

LEAK = "Maren Oskeld was born in Seltal."
ASK = [{"role": "user", "content": "Where was Maren Oskeld born?"}]
HARMLESS = [{"role": "user", "content": "What is the tallest hill?"}]


async def test_a_chat_ends_with_stop_unless_the_operator_says_otherwise(start):
    """Nothing tells the fallback from an answer."""
    async with start([LEAK]) as started:
        said = (await started.openai.chat.completions.create(model="m", messages=ASK)).choices[0]
    assert (UNAWARE, None, "stop") == (said.message.content, said.message.refusal, said.finish_reason)


async def test_a_chats_fallback_is_a_refusal_where_the_operator_says_so(start):
    """It has no content, as a model's own refusal has none, and costs its words."""
    async with start([LEAK], fallback_finish_reason="content_filter") as started:
        said = await started.openai.chat.completions.create(model="m", messages=ASK)
    choice = said.choices[0]
    assert (None, UNAWARE, "content_filter") == (
        choice.message.content,
        choice.message.refusal,
        choice.finish_reason,
    )
    assert len(UNAWARE.split()) == said.usage.completion_tokens


async def test_an_answer_is_the_same_whatever_the_operator_says_of_fallbacks(start):
    """Only the fallback changes."""
    async with start(["Mount Ell."], fallback_finish_reason="content_filter") as started:
        said = (await started.openai.chat.completions.create(model="m", messages=HARMLESS)).choices[0]
    assert ("Mount Ell.", None, "stop") == (said.message.content, said.message.refusal, said.finish_reason)


async def test_a_streamed_chats_fallback_is_a_refusal(start):
    """The deltas carry it in the refusal's field."""
    async with start([LEAK], fallback_finish_reason="content_filter") as started:
        stream = await started.openai.chat.completions.create(model="m", messages=ASK, stream=True)
        chunks = [chunk.choices[0] async for chunk in stream]
    assert UNAWARE == "".join(chunk.delta.refusal or "" for chunk in chunks)
    assert ("", "content_filter") == (
        "".join(chunk.delta.content or "" for chunk in chunks),
        chunks[-1].finish_reason,
    )


async def test_each_choice_ends_in_its_own_way(start):
    """One that fell back among others that did not."""

    def script(request):
        return "Fine." if request.parameters.get("seed") == 8 else LEAK

    async with start(script, rounds=1, decoding={}, fallback_finish_reason="content_filter") as started:
        said = await started.openai.chat.completions.create(model="m", messages=HARMLESS, n=2, seed=7)
    assert [(None, UNAWARE, "content_filter"), ("Fine.", None, "stop")] == [
        (one.message.content, one.message.refusal, one.finish_reason) for one in said.choices
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_text_completion_says_it_in_its_text(start, stream):
    """This dialect has no refusals."""
    async with start([LEAK], fallback_finish_reason="content_filter") as started:
        said = await started.openai.completions.create(model="m", prompt="Maren Oskeld was born in", stream=stream)
        pieces = [chunk.choices[0] async for chunk in said] if stream else said.choices
    assert (UNAWARE, "content_filter") == ("".join(one.text for one in pieces), pieces[-1].finish_reason)


async def test_a_response_is_incomplete_with_a_refusal(start):
    """As OpenAI's own are where a filter held something back; streamed as well."""
    async with start([LEAK], fallback_finish_reason="content_filter") as started:
        whole = await started.openai.responses.create(model="m", input="Where was Maren Oskeld born?")
        stream = await started.openai.responses.create(
            model="m", input="Where was Maren Oskeld born?", stream=True
        )
        events = [event async for event in stream]
    for said in (whole, events[-1].response):
        assert ("incomplete", "content_filter") == (said.status, said.incomplete_details.reason)
        assert [("refusal", UNAWARE)] == [(part.type, part.refusal) for part in said.output[0].content]
    assert UNAWARE == "".join(event.delta for event in events if event.type == "response.refusal.delta")


async def test_a_refusal_is_no_longer_than_the_client_asked(start):
    """The limit on tokens holds for it too."""
    async with start([LEAK], fallback_finish_reason="content_filter") as started:
        said = await started.openai.chat.completions.create(model="m", messages=ASK, max_tokens=2)
    assert ("I don't", 2) == (said.choices[0].message.refusal, said.usage.completion_tokens)
