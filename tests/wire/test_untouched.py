"""Where nothing is forgotten, a request reaches the model as the client wrote it, and the answer comes back so."""

from __future__ import annotations

import pytest

from gateway.upstream.protocol import Choice, Completion

PARTS = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
]
SAID = [{"role": "user", "content": PARTS}]
PARAMETERS = {
    "stop": ["\n\n", "END"],
    "seed": 7,
    "logit_bias": {"50256": -100},
    "user": "u-1",
    "metadata": {"ticket": "T-1"},
    "reasoning_effort": "low",
    "logprobs": True,
    "top_logprobs": 2,
    "parallel_tool_calls": False,
}
LOGPROBS = {
    "content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}],
    "refusal": None,
}


@pytest.mark.parametrize("n", [1, 2])
async def test_parameters_and_parts_travel_untouched(start, n):
    """Every one of them, and `n` with the client's own seed."""
    async with start(["fine"], topics=()) as started:
        await started.openai.chat.completions.create(model="m", messages=SAID, n=n, **PARAMETERS)
    asked = started.upstream.requests[0]
    assert (SAID, PARAMETERS, n) == (list(asked.messages), dict(asked.parameters), asked.n)


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses"])
async def test_what_is_null_is_as_if_it_were_not_said(start, path):
    """Some clients write every parameter that they know."""
    said = {"messages": SAID, "prompt": "b", "input": "b"}
    nothing = dict.fromkeys(("n", "stream", "stream_options", "echo", "suffix", "best_of", "instructions"))
    if path == "responses":
        said, nothing = {"input": "b"}, dict.fromkeys(("stream", "instructions", "tools", "text"))
    async with start(["fine"], topics=()) as started:
        answer = await started.openai.post(f"/{path}", body={"model": "m", **said, **nothing}, cast_to=object)
    assert ("m", 1) == (answer["model"], started.upstream.requests[0].n)


async def test_choices_of_a_guarded_request_have_seeds_that_count_up(start):
    """Each goes through a loop of its own, and would be the same answer with the same seed."""
    async with start(["fine"]) as started:
        await started.openai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Which hill?"}], n=3, seed=7
        )
    assert [7, 8, 9] == sorted(request.parameters["seed"] for request in started.upstream.requests)


@pytest.mark.parametrize("stream", [False, True])
async def test_logprobs_and_fields_of_the_future_come_back(start, stream):
    """In a stream as well."""
    message = {"role": "assistant", "content": "a", "annotations": [{"type": "url_citation"}]}
    answer = Completion("m", (Choice(message, "stop", {"logprobs": LOGPROBS}),))
    async with start([answer], topics=()) as started:
        said = await started.openai.chat.completions.create(model="m", messages=SAID, stream=stream)
        if stream:
            chunks = [chunk.choices[0] async for chunk in said]
            found = [chunk.logprobs for chunk in chunks if chunk.logprobs]
            notes = [chunk.delta.annotations for chunk in chunks if hasattr(chunk.delta, "annotations")]
        else:
            found, notes = [said.choices[0].logprobs], [[said.choices[0].message.annotations[0].model_dump()]]
    assert [LOGPROBS] == [one.model_dump() for one in found]
    assert "url_citation" == notes[0][0]["type"]


@pytest.mark.parametrize("stream", [False, True])
async def test_while_a_topic_is_active_they_do_not(start, stream):
    """Alternatives in logprobs and unknown fields are channels that nobody reads."""
    message = {"role": "assistant", "content": "a", "annotations": [{"type": "url_citation"}]}
    answer = Completion("m", (Choice(message, "stop", {"logprobs": LOGPROBS}),))
    async with start([answer]) as started:
        raw = await started.openai.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": "Which hill?"}], stream=stream
        )
        text = (await raw.http_response.aread()).decode()
    assert ("annotations" in text, "-0.1" in text) == (False, False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("asked", "beside", "kept"),
    [("Which hill?", "b", True), ("Which hill?", "Maren Oskeld", False), ("Who is Maren Oskeld?", "b", False)],
)
async def test_logprobs_that_are_verified_come_back_where_nothing_is_found(start, stream, asked, beside, kept):
    """Neither in the question nor in any word beside the answer's own."""
    other = {"token": beside, "logprob": -3.5, "bytes": list(beside.encode())}
    logprobs = {**LOGPROBS, "content": [{**LOGPROBS["content"][0], "top_logprobs": [other]}]}
    answer = Completion("m", (Choice({"role": "assistant", "content": "a"}, "stop", {"logprobs": logprobs}),))
    async with start([answer], logprobs="verify") as started:
        raw = await started.openai.chat.completions.with_raw_response.create(
            model="m", messages=[{"role": "user", "content": asked}], stream=stream
        )
        text = (await raw.http_response.aread()).decode()
    assert ("-3.5" in text, "Oskeld" in text) == (kept, False)


async def test_a_text_completions_logprobs_come_back_but_for_an_echo(start):
    """Of an echoed prompt nobody knows them."""
    logprobs = {"tokens": ["a"], "token_logprobs": [-0.1], "top_logprobs": None, "text_offset": [0]}
    answer = Completion("m", (Choice({"role": "assistant", "content": "a"}, "stop", {"logprobs": logprobs}),))
    async with start([answer], topics=()) as started:
        said = await started.openai.completions.create(model="m", prompt="b", logprobs=1)
        await started.openai.completions.create(model="m", prompt="b", logprobs=1, echo=True)
    assert logprobs == said.choices[0].logprobs.model_dump()
    assert [{"logprobs": 1}, {}] == [dict(request.parameters) for request in started.upstream.requests]
