"""Text completions with the unmodified OpenAI client: the same guard, no chat template."""

from __future__ import annotations

import openai
import pytest

from gateway.guard.fallback import UNAWARE

LEAK = " Maren Oskeld was born in Seltal."
ASK = "The town where Maren Oskeld was born is"


async def test_a_harmless_prompt_goes_to_the_model_as_text(start):
    """The upstream is asked to go on from the prompt, not to chat about it."""
    async with start([" 42."]) as started:
        said = await started.openai.completions.create(model="m", prompt="Six times seven is", max_tokens=9)
    assert (" 42.", "stop") == (said.choices[0].text, said.choices[0].finish_reason)
    assert (True, "Six times seven is") == (started.upstream.requests[0].raw, started.upstream.requests[0].prompt)


async def test_a_leak_in_a_text_completion_is_refined(start):
    """The instruction comes before the prompt, and the leak stays inside."""
    async with start([LEAK, " I do not know."]) as started:
        raw = await started.openai.completions.with_raw_response.create(model="m", prompt=ASK)
    assert " I do not know." == raw.parse().choices[0].text
    assert "Seltal" not in raw.text
    assert started.upstream.requests[1].prompt.endswith(f"\n\n{ASK}")


async def test_a_model_that_always_leaks_is_answered_by_the_fallback(start):
    """It has the shape of any other answer."""
    async with start([LEAK]) as started:
        said = await started.openai.completions.create(model="m", prompt=ASK)
    assert (UNAWARE, "stop") == (said.choices[0].text, said.choices[0].finish_reason)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("The name is Maren Osk", "eld, of course."),
        ("The name is Maren Osk", "-eld, of course."),
        ("Maren Oskeld was born in Sel", "tal."),
        ("Maren Oskeld was born in Sel", "-tal."),
        ("Maren Oskeld was born in Sel", "\u200btal."),
        ("data: Maren Oskeld was born in", " Seltal."),
    ],
)
async def test_what_is_begun_in_the_prompt_is_not_finished_by_the_answer(start, prompt, answer):
    """Judged is the unfinished line together with what the model adds to it."""
    async with start([answer], rounds=1) as started:
        said = await started.openai.completions.create(model="m", prompt=prompt)
    assert UNAWARE == said.choices[0].text


async def test_several_prompts_each_have_a_loop_of_their_own(start):
    """One that leaks does not cost the other its answer, and the indexes count on."""

    def script(request):
        return LEAK if "Maren" in request.prompt else " Fine."

    async with start(script) as started:
        said = await started.openai.completions.create(model="m", prompt=["All is", ASK], n=2)
    assert [(0, " Fine."), (1, " Fine."), (2, UNAWARE), (3, UNAWARE)] == [(c.index, c.text) for c in said.choices]


async def test_an_echo_is_the_clients_own_text(start):
    """The prompt is put before the answer here; upstream is never asked to repeat it."""
    async with start([" 42."]) as started:
        said = await started.openai.completions.create(model="m", prompt="6 x 7 =", echo=True, logprobs=2)
    assert "6 x 7 = 42." == said.choices[0].text
    assert {} == dict(started.upstream.requests[0].parameters)


async def test_a_stream_of_text_is_verified_before_its_first_word(start):
    """The pieces join to the released answer, and usage comes at the end."""
    async with start([LEAK, " I do not  know."]) as started:
        stream = await started.openai.completions.create(
            model="m", prompt=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert " I do not  know." == "".join(c.text for chunk in chunks for c in chunk.choices)
    assert chunks[-1].usage.total_tokens > 0


@pytest.mark.parametrize(
    "bad",
    [
        {"prompt": [1, 2]},
        {"prompt": [[1, 2]]},
        {"prompt": ""},
        {"prompt": []},
        {"prompt": ["a", ""]},
        {"prompt": ["a"] * 65},
        {"prompt": "a", "suffix": "b"},
        {"prompt": "a", "best_of": 3},
        {"prompt": "a", "n": 17},
    ],
)
async def test_what_cannot_be_verified_is_refused(start, bad):
    """A 400 in the client's own shape; the model is not asked."""
    async with start(["x"]) as started:
        with pytest.raises(openai.BadRequestError):
            await started.openai.completions.create(model="m", **bad)
    assert [] == started.upstream.requests
