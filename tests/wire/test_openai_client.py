"""The unmodified OpenAI client against a really started gateway."""

from __future__ import annotations

import asyncio

import openai
import pytest

from gateway.errors import UpstreamGarbage, UpstreamRejected, UpstreamTimeout, UpstreamUnreachable
from gateway.guard.fallback import UNAWARE
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import Choice, Completion, Usage
from verifiers.protocol import Topic

LEAK = "Maren Oskeld was born in Seltal."
MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)))
ASK = [{"role": "user", "content": "Where was Maren Oskeld born?"}]
HARMLESS = [{"role": "user", "content": "What is the tallest hill?"}]
CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"what": "hills"}'}}


async def test_an_answer_without_a_trace_is_passed_on(start):
    """Model, usage and finish reason are as a client expects."""
    async with start(["It is Mount Ell."]) as started:
        said = await started.openai.chat.completions.create(model="m", messages=HARMLESS)
    assert ("It is Mount Ell.", "stop", "m") == (
        said.choices[0].message.content,
        said.choices[0].finish_reason,
        said.model,
    )
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens > 0
    assert said._request_id.startswith("req_")


async def test_a_leak_is_refined_until_it_is_gone(start):
    """The second answer goes out, and the client sees nothing of the first."""
    async with start([LEAK, "I do not know that."]) as started:
        raw = await started.openai.chat.completions.with_raw_response.create(model="m", messages=ASK)
    assert "I do not know that." == raw.parse().choices[0].message.content
    assert "Seltal" not in raw.text
    assert "lethe" not in raw.text


async def test_a_model_that_always_leaks_is_answered_by_an_ordinary_fallback(start):
    """HTTP 200 with `stop`, as a model that never knew."""
    async with start([LEAK]) as started:
        said = await started.openai.chat.completions.create(model="m", messages=ASK)
    assert (UNAWARE, "stop") == (said.choices[0].message.content, said.choices[0].finish_reason)


async def test_a_stream_is_verified_before_its_first_word(start):
    """`stream: true` is no way around the check, and ends with the usage chunk."""
    async with start([LEAK, "I do not  know\nthat."]) as started:
        stream = await started.openai.chat.completions.create(
            model="m", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "I do not  know\nthat." == text
    assert ("stop", [], True) == (
        chunks[-2].choices[0].finish_reason,
        chunks[-1].choices,
        chunks[-1].usage.total_tokens > 0,
    )
    assert 1 == len({(chunk.id, chunk.created, chunk.model) for chunk in chunks})


async def test_a_stream_of_a_model_that_always_leaks_is_the_fallback(start):
    """Nothing of any candidate is in any chunk."""
    async with start([LEAK]) as started:
        stream = await started.openai.chat.completions.create(model="m", messages=ASK, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert UNAWARE == text


async def test_a_waiting_stream_carries_comments(start):
    """Idle timeouts between here and the client do not cut it."""
    async with start([LEAK, "fine"], keep_alive_s=0.05) as started:
        slow = started.upstream.complete

        async def complete(request):
            await asyncio.sleep(0.2)
            return await slow(request)

        started.upstream.complete = complete
        raw = await started.openai.chat.completions.with_raw_response.create(model="m", messages=ASK, stream=True)
        body = (await raw.http_response.aread()).decode()
    assert body.startswith(": keep-alive\n\n")
    assert body.endswith("data: [DONE]\n\n")


async def test_several_choices_come_with_their_indices(start):
    """n=2, each verified."""
    async with start(["one", "two"]) as started:
        said = await started.openai.chat.completions.create(model="m", messages=HARMLESS, n=2)
    assert [(0, "one"), (1, "two")] == [(c.index, c.message.content) for c in said.choices]


@pytest.mark.parametrize("stream", [False, True])
async def test_tool_calls_are_verified_and_passed_on(start, stream):
    """Clean ones go out whole; the client puts the streamed pieces together."""
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    async with start([Completion("m", (Choice(message, "tool_calls"),), Usage(1, 1))]) as started:
        said = await started.openai.chat.completions.create(model="m", messages=HARMLESS, stream=stream)
        if stream:
            deltas = [chunk.choices[0].delta async for chunk in said]
            calls = [call for delta in deltas for call in delta.tool_calls or ()]
        else:
            calls = said.choices[0].message.tool_calls
    assert [("look_up", '{"what": "hills"}')] == [(c.function.name, c.function.arguments) for c in calls]


async def test_a_leak_in_a_tool_calls_arguments_does_not_go_out(start):
    """Even spelt with escapes."""
    arguments = '{"who": "\\u004daren Oskeld of \\u0053eltal"}'
    call = {**CALL, "function": {"name": "tell", "arguments": arguments}}
    leak = Completion("m", (Choice({"role": "assistant", "tool_calls": [call]}, "tool_calls"),))
    async with start([leak]) as started:
        said = await started.openai.chat.completions.create(model="m", messages=ASK)
    assert (UNAWARE, None) == (said.choices[0].message.content, said.choices[0].message.tool_calls)


async def test_unknown_parameters_travel_to_the_model(start):
    """What the gateway does not know it does not drop."""
    async with start(["fine"]) as started:
        await started.openai.chat.completions.create(
            model="m", messages=HARMLESS, seed=3, extra_body={"chat_template_kwargs": {"think": False}}
        )
    assert {"seed": 3, "chat_template_kwargs": {"think": False}} == dict(started.upstream.requests[0].parameters)


async def test_models_are_listed_and_described(start):
    """And an unknown one is a 404."""
    async with start(["fine"]) as started:
        assert ["m"] == [model.id async for model in started.openai.models.list()]
        assert "m" == (await started.openai.models.retrieve("m")).id
        with pytest.raises(openai.NotFoundError):
            await started.openai.models.retrieve("unheard-of")


async def test_a_toggle_counts_from_the_next_request_on(start):
    """Off, on and off again, without a restart."""
    async with start([LEAK]) as started:
        seen = []
        for active in (False, True, False):
            await started.gateway.store.set_active("maren", active)
            said = await started.openai.chat.completions.create(model="m", messages=ASK)
            seen.append(said.choices[0].message.content)
    assert [LEAK, UNAWARE, LEAK] == seen


async def test_without_a_certificate_the_default_lets_nothing_out(start):
    """Fail closed, also for a harmless question, and /readyz says why."""
    async with start(["It is Mount Ell."], without_certificate="fallback") as started:
        said = await started.openai.chat.completions.create(model="m", messages=HARMLESS)
        ready = await started.openai._client.get(f"{started.url}/readyz")
    assert (UNAWARE, 0) == (said.choices[0].message.content, len(started.upstream.requests))
    assert 503 == ready.status_code
    assert "lethe calibrate" in ready.json()["checks"]["certificate"]


async def test_what_the_loop_did_is_told_only_where_the_operator_allows_it(start):
    """Rounds, outcome and certificate are in the body under `lethe`."""
    async with start([LEAK], disclose=True) as started:
        said = await started.openai.chat.completions.create(model="m", messages=ASK)
    assert ("fallback", "exhausted", 5) == (
        said.lethe["outcome"],
        said.lethe["reason"],
        said.lethe["rounds"],
    )


async def test_a_wrong_key_is_refused(start):
    """401, and nothing is asked of the model."""
    async with start(["fine"], api_key="right") as started:
        wrong = started.openai.with_options(api_key="wrong")
        with pytest.raises(openai.AuthenticationError):
            await wrong.chat.completions.create(model="m", messages=HARMLESS)
        await started.openai.chat.completions.create(model="m", messages=HARMLESS)
    assert 1 == len(started.upstream.requests)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UpstreamUnreachable("gone"), openai.InternalServerError),
        (UpstreamTimeout("slow", phase="read"), openai.InternalServerError),
        (UpstreamGarbage("odd"), openai.InternalServerError),
        (UpstreamRejected("no", upstream_status=429, retry_after="7"), openai.RateLimitError),
        (UpstreamRejected("no", upstream_status=401), openai.InternalServerError),
        (UpstreamRejected("no", upstream_status=400), openai.BadRequestError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failing_model_is_an_error_in_the_clients_own_terms(start, error, expected, stream):
    """With its status also for a stream, since it fails before the first byte."""
    async with start([error]) as started:
        with pytest.raises(expected) as caught:
            await started.openai.chat.completions.create(model="m", messages=HARMLESS, stream=stream)
    assert {"message", "type", "param", "code"} == set(caught.value.body)
    if isinstance(error, UpstreamRejected) and error.retry_after:
        assert "7" == caught.value.response.headers["retry-after"]


async def test_a_model_that_fails_in_the_middle_of_a_waiting_stream_ends_it_with_an_error(start):
    """The status is long sent, so the error is an event of the stream."""
    async with start([UpstreamUnreachable("gone")], keep_alive_s=0.05) as started:
        slow = started.upstream.complete

        async def complete(request):
            await asyncio.sleep(0.2)
            return await slow(request)

        started.upstream.complete = complete
        stream = await started.openai.chat.completions.create(model="m", messages=HARMLESS, stream=True)
        with pytest.raises(openai.APIError):
            async for _ in stream:
                pass


async def test_a_client_that_goes_away_cancels_the_generation(start):
    """Nobody pays for an answer that nobody reads."""
    cancelled = asyncio.Event()
    async with start(["never"]) as started:

        async def complete(request):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        started.upstream.complete = complete
        for stream in (False, True):
            cancelled.clear()
            impatient = started.openai.with_options(timeout=0.3)
            with pytest.raises(openai.APITimeoutError):
                await impatient.chat.completions.create(model="m", messages=HARMLESS, stream=stream)
            await asyncio.wait_for(cancelled.wait(), 5)


async def test_the_operators_own_threshold_tightens_the_certificates(start):
    """Under a real certificate, an answer that it would let out is held back by a stricter setting."""
    from datetime import UTC, datetime

    from gateway.calibrating import Wish, calibrate
    from gateway.certificates import activate_certificate
    from gateway.guard.prompts import Prompt, PromptSet

    prompts = PromptSet(
        tuple(
            Prompt(
                f"p{i}",
                ({"role": "user", "content": f"{i}. Where was Maren Oskeld born?"},),
                {},
                ("Seltal",),
                False,
                "maren",
                f"p{i}",
                {},
            )
            for i in range(40)
        ),
        "f",
    )
    seen = {}
    for strictest in (None, 1e-9):
        settings = {
            "without_certificate": "fallback",
            "rounds": 1,
            "strictest_threshold": strictest,
            "disclose": True,
        }
        topics = (MAREN,) if strictest is None else ()
        async with start(
            lambda request: LEAK if "." in str(request.messages) else "Maren.", topics, **settings
        ) as started:
            if strictest is None:
                path = started.gateway.store.database.path.with_name("t.jsonl")
                wish = Wish(level=0.1, confidence=None)
                certificate = await calibrate(
                    started.gateway, prompts, wish, model="m", trajectories=path, labels=None,
                    created=datetime.now(UTC), progress=lambda done, total: None,
                )  # fmt: skip
                await activate_certificate(started.gateway.store, certificate)
            question = [{"role": "user", "content": "Who is Maren Oskeld"}]
            said = await started.openai.chat.completions.create(model="m", messages=question)
            seen[strictest] = (said.choices[0].message.content, said.lethe["certificate"])
    assert {None: ("Maren.", certificate.id), 1e-9: (UNAWARE, certificate.id)} == seen
