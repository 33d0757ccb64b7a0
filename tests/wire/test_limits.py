"""Limits of client keys over HTTP: the unmodified OpenAI client against a started gateway."""

from __future__ import annotations

import asyncio

import httpx
import openai
import pytest

ASK = [{"role": "user", "content": "Hello there?"}]
ADMIN = {"x-admin-key": "admin"}


async def made(started, **limits):
    """Make a key by the admin API."""
    async with httpx.AsyncClient(base_url=started.url, headers=ADMIN) as admin:
        answer = await admin.post("/admin/keys", json={"name": "alice", **limits})
    assert 201 == answer.status_code, answer.text
    return answer.json()["key"]


def client(started, key):
    """Point the client at the gateway with a key."""
    return openai.AsyncOpenAI(base_url=f"{started.url}/v1", api_key=key, max_retries=0)


def ask(it, model="m", **more):
    """Ask a question and see the whole response."""
    return it.chat.completions.with_raw_response.create(model=model, messages=ASK, **more)


def standing(headers):
    """Read the rate-limit headers."""
    return {name: value for name, value in headers.items() if name.startswith("x-ratelimit")}


async def test_beyond_the_requests_a_minute_comes_a_429_that_says_when_to_return(start):
    """In OpenAI's shape, with its headers, on answers and on the refusal."""
    async with (
        start(["Hi."] * 3, admin_key="admin") as started,
        client(started, await made(started, requests_per_minute=2)) as it,
    ):
        first = standing((await ask(it)).headers)
        await ask(it)
        with pytest.raises(openai.RateLimitError) as refused:
            await ask(it)
    assert ("2", "1") == (first["x-ratelimit-limit-requests"], first["x-ratelimit-remaining-requests"])
    assert first["x-ratelimit-reset-requests"] in ("29s", "30s")
    response = refused.value.response
    assert response.headers["retry-after"] in ("29", "30")
    assert "0" == response.headers["x-ratelimit-remaining-requests"]
    assert {"type": "rate_limit_error", "code": "rate_limit_exceeded", "param": None} == {
        name: value for name, value in response.json()["error"].items() if name != "message"
    }
    assert 2 == len(started.upstream.requests)


async def test_the_tokens_that_count_are_those_the_client_reads(start):
    """Three rounds of the loop cost the client's limit no more than one: the headers tell nothing of the loop."""
    leak, about = "Maren Oskeld was born in Seltal.", [{"role": "user", "content": "Where was Maren Oskeld born?"}]
    async with (
        start([leak, leak, "I do not know."], admin_key="admin", rounds=3) as started,
        client(started, await made(started, tokens_per_minute=1000)) as it,
    ):
        raw = await it.chat.completions.with_raw_response.create(model="m", messages=about)
    assert 3 == len(started.upstream.requests)
    left = 1000 - raw.parse().usage.total_tokens
    assert str(left) == raw.headers["x-ratelimit-remaining-tokens"]


@pytest.mark.parametrize("stream", [False, True])
async def test_one_request_at_a_time_means_one(start, stream):
    """The second is refused while the first runs; when the first is done, or its client gone, the next gets in."""
    began, go = asyncio.Event(), asyncio.Event()
    async with (
        start(["Hi."], admin_key="admin") as started,
        client(started, await made(started, concurrent=1)) as it,
    ):
        answer = started.upstream.complete

        async def slow(request):
            began.set()
            await go.wait()
            return await answer(request)

        started.upstream.complete = slow
        first = asyncio.ensure_future(ask(it, stream=stream))
        await began.wait()
        with pytest.raises(openai.RateLimitError) as refused:
            await ask(it)
        first.cancel()
        await asyncio.wait([first])
        go.set()
        assert 200 == await got_in(it)
    assert "1" == refused.value.response.headers["retry-after"]


async def got_in(it):
    """Ask again until it is let in, or for ten seconds."""
    for _ in range(200):
        if (status := await attempt(it)) != 429:
            break
        await asyncio.sleep(0.05)
    return status


async def attempt(it):
    """Ask, and give the status."""
    try:
        return (await ask(it)).status_code
    except openai.APIStatusError as error:
        return error.status_code


async def test_a_model_that_is_not_on_the_list_is_one_that_there_is_not(start):
    """In every dialect, before any model is asked; the list shows only what may be asked for."""
    async with (
        start(["Hi."], admin_key="admin") as started,
        client(started, await made(started, models=["m", "later"])) as it,
    ):
        assert ["m"] == [model.id async for model in it.models.list()]
        assert 200 == (await ask(it)).status_code
        for asking in (
            ask(it, "n"),
            it.completions.create(model="n", prompt="Hi"),
            it.responses.create(model="n", input="Hi"),
        ):
            with pytest.raises(openai.NotFoundError) as unknown:
                await asking
            assert "model_not_found" == unknown.value.code
        assert 1 == len(started.upstream.requests)


async def test_a_new_limit_counts_from_the_next_request_on(start):
    """And what the change does not name stays."""
    async with start(["Hi."] * 3, admin_key="admin") as started:
        key = await made(started, models=["m"])
        async with httpx.AsyncClient(base_url=started.url, headers=ADMIN) as admin, client(started, key) as it:
            assert {} == standing((await ask(it)).headers)
            changed = await admin.patch("/admin/keys/alice", json={"requests_per_minute": 1})
            assert (200, ["m"]) == (changed.status_code, changed.json()["limits"]["models"])
            assert [200, 429] == [await attempt(it), await attempt(it)]
            assert 422 == (await admin.patch("/admin/keys/alice", json={"concurrent": 0})).status_code
            listed = (await admin.get("/admin/keys")).json()["keys"]
    expected = {"models": ["m"], "requests_per_minute": 1, "tokens_per_minute": None, "concurrent": None}
    assert [expected] == [one["limits"] for one in listed]


async def test_many_prompts_in_one_request_are_one_request_and_all_their_tokens(start):
    """A batch is no way around the tokens."""
    async with start(["Hi you."] * 2, topics=(), admin_key="admin") as started:
        key = await made(started, requests_per_minute=5, tokens_per_minute=1000)
        async with client(started, key) as it:
            raw = await it.completions.with_raw_response.create(model="m", prompt=["one", "two"])
    left = standing(raw.headers)
    assert "4" == left["x-ratelimit-remaining-requests"]
    assert str(1000 - raw.parse().usage.total_tokens) == left["x-ratelimit-remaining-tokens"]


async def test_a_model_that_may_not_be_asked_for_is_not_shown(start):
    """Neither in the list nor by its name."""
    async with (
        start(["Hi."], admin_key="admin") as started,
        client(started, await made(started, models=["n"])) as it,
    ):
        assert [] == [model.id async for model in it.models.list()]
        with pytest.raises(openai.NotFoundError):
            await it.models.retrieve("m")


async def test_embeddings_go_by_the_same_list_and_limits(start):
    """They are no way around either."""
    async with start(["Hi."], admin_key="admin") as started:
        key = await made(started, models=["m"], requests_per_minute=1)
        async with client(started, key) as it:
            with pytest.raises(openai.NotFoundError):
                await it.embeddings.create(model="n", input="Hi")
            with pytest.raises(openai.RateLimitError):
                await it.embeddings.create(model="m", input="Hi")
