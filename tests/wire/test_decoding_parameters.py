"""Decoding parameters are checked alike, whether a conversation touches a topic or not."""

from __future__ import annotations

import openai
import pytest

SAID = {"touches a topic": "Where was Maren Oskeld born?", "touches none": "What is the tallest hill?"}
BAD = [
    {"temperature": 99},
    {"temperature": "hot"},
    {"temperature": True},
    {"top_p": 1.1},
    {"frequency_penalty": -3},
    {"max_tokens": 0},
    {"max_tokens": 1.5},
    {"seed": "one"},
    {"stop": [1]},
    {"logit_bias": {"5": 101}},
    {"top_logprobs": 21},
]


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
@pytest.mark.parametrize("bad", BAD, ids=str)
async def test_a_bad_value_is_refused_whatever_is_asked(start, said, bad):
    """Else the refusal would tell what is forgotten."""
    async with start(["x"]) as started:
        for ask in (
            lambda: started.openai.chat.completions.create(
                model="m", messages=[{"role": "user", "content": said}], extra_body=bad
            ),
            lambda: started.openai.completions.create(model="m", prompt=said, extra_body=bad),
        ):
            with pytest.raises(openai.BadRequestError) as refused:
                await ask()
            assert next(iter(bad)) == refused.value.param
    assert [] == started.upstream.requests


@pytest.mark.parametrize(
    "good", [{"temperature": 0}, {"temperature": None}, {"stop": "x"}, {"top_k": -1}, {"seed": 7}]
)
async def test_a_good_value_goes_to_the_model(start, good):
    """Also what only some servers know."""
    async with start(["x"]) as started:
        await started.openai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Which hill?"}], extra_body=good
        )
    assert good == dict(started.upstream.requests[0].parameters)


async def test_one_request_does_not_start_a_thousand_loops(start):
    """Prompts times choices have a limit."""
    async with start(["x"]) as started:
        with pytest.raises(openai.BadRequestError, match="at most 64 choices"):
            await started.openai.completions.create(model="m", prompt=["a"] * 33, n=2)
