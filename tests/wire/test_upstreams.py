"""Several upstreams behind a started gateway: standing in, refusing, and never under a wrong certificate."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from calibration.issue import issue_certificate
from calibration.trajectories import Candidate, Recording, Trajectory
from gateway.app import create_app
from gateway.certificates import activate_certificate
from gateway.errors import UpstreamRejected, UpstreamUnreachable
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.pool import Patience, Pool
from gateway.upstream.several import Several
from tests.gateway.upstream.servers import server
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld"), active=True)
GONE = UpstreamUnreachable("gone")
SECRET_KEYS = {"metrics_key": "k"}


def pool(name, *script, **options):
    """Make a pool of one server that tries once."""
    return Pool([server(name, list(script), **options)], patience=Patience(0))


@pytest.fixture
def started(tmp_path):
    """Start a gateway before these pools."""

    @asynccontextmanager
    async def start(*pools, topics=(), **settings):
        given = {"database": str(tmp_path / "l.db"), **SECRET_KEYS, **settings}
        async with open_gateway(given_settings(**given), upstream=Several(pools)) as gateway:
            if topics:
                await gateway.store.add(*topics)
            async with serving(create_app(gateway)) as url, httpx.AsyncClient(base_url=url) as client:
                yield gateway, client

    return start


async def asked(client, text="hi", model="m"):
    """Ask, and give status, text and headers."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    answer = await client.post("/v1/chat/completions", json=body)
    said = answer.json()["choices"][0]["message"]["content"] if answer.status_code == 200 else None
    return answer.status_code, said, answer.headers


async def certify(gateway, model):
    """Put a certificate for a model in force, as calibrating now would make it."""
    async with gateway.policies.for_calibration(model) as subject:
        bindings = replace(subject.bindings, prompts="p")
    prompts = tuple(Trajectory(f"p{n}", (Candidate(0, 0.5, leak=True),), topic="maren") for n in range(60))
    made = issue_certificate(
        Recording(bindings, prompts), level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z"
    )
    await activate_certificate(gateway.store, made)


async def test_another_model_stands_in_where_nothing_is_forgotten(started):
    """The client sees one answer and no error; the metrics count it."""
    async with started(pool("a", GONE), pool("b", "yes")) as (_, client):
        assert (200, "yes") == (await asked(client))[:2]
        shown = (await client.get("/metrics", headers={"authorization": "Bearer k"})).text
    assert "lethe_stand_ins_total 1.0" in shown
    assert 'lethe_upstream_breaker{upstream="a"} 0.0' in shown


async def test_no_certificate_carries_over_to_the_model_that_stands_in(started):
    """Its answers wait for one of their own."""
    a, b = pool("a", "from a", GONE, failures=1), pool("b", "from b")
    quiet = {"verifiers": ("verbatim",), "screened_verifiers": (), "rounds": 1}
    async with started(a, b, topics=[MAREN], **quiet) as (gateway, client):
        await certify(gateway, "m")
        said = [(await asked(client))[1] for _ in range(3)]
        assert "from a" == said[0]
        assert not {"from a", "from b"} & set(said[1:])
        await certify(gateway, "m@b")
        assert "from b" == (await asked(client))[1]


async def test_where_the_request_itself_is_refused_nobody_stands_in(started):
    """It would be refused there too, or answered where it must not be."""
    refused = UpstreamRejected("no", upstream_status=400)
    b = pool("b", "yes")
    async with started(pool("a", refused), b) as (_, client):
        assert 400 == (await asked(client))[0]
    assert [] == b.servers[0].upstream.requests


async def test_a_server_that_keeps_failing_is_left_alone_and_clients_are_told_when_to_come_back(started):
    """503 with Retry-After, without asking it."""
    a = pool("a", GONE, failures=2)
    async with started(a) as (_, client):
        statuses = [(await asked(client))[0] for _ in range(3)]
        headers = (await asked(client))[2]
    assert ([502, 502, 503], "15", 2) == (statuses, headers["retry-after"], len(a.servers[0].upstream.requests))


async def test_whoever_finds_the_queue_full_is_told_to_come_back(started):
    """The others are answered."""
    hold = asyncio.Event()
    one = server("a", ["yes"], running=1, waiting=1)
    answers = one.upstream.complete

    async def slowly(request):
        await hold.wait()
        return await answers(request)

    one.upstream.complete = slowly
    one.gate._wait_s = 10.0
    async with started(Pool([one])) as (_, client):
        asking = [asyncio.create_task(asked(client)) for _ in range(3)]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        status, _, headers = done.pop().result()
        hold.set()
        statuses = sorted(answer[0] for answer in await asyncio.gather(*asking))
    assert (503, True, [200, 200, 503]) == (status, int(headers["retry-after"]) > 0, statuses)


async def test_fallbacks_and_withheld_answers_open_no_breaker(started):
    """The model did nothing wrong."""
    a = pool("a", "Maren Oskeld was born in Seltal.", failures=1)
    async with started(a, topics=[MAREN], without_certificate="zero-evidence") as (_, client):
        for _ in range(3):
            status, said, _ = await asked(client, "Who is Maren Oskeld?")
            assert (200, False) == (status, "Seltal" in said)
    assert "closed" == a.servers[0].breaker.state


async def test_the_deadline_covers_waiting_and_standing_in(started):
    """Where nothing was verified by then, it is an error, and soon."""
    one = server("a", ["yes"])

    async def never(request):
        await asyncio.Event().wait()

    one.upstream.complete = never
    async with started(Pool([one]), pool("b", "yes"), deadline_s=0.05) as (_, client):
        assert 504 == (await asked(client))[0]


async def test_a_server_that_ends_under_load_costs_no_answer(tmp_path):
    """Its twin steps in on real connections; whoever was being answered by it is answered still."""

    @asynccontextmanager
    async def model_server(name):
        settings = given_settings(database=str(tmp_path / f"{name}.db"))
        upstream = server(name, ["yes"]).upstream
        async with open_gateway(settings, upstream=upstream) as parts, serving(create_app(parts)) as url:
            yield {"name": name, "url": f"{url}/v1", "models": {"m": name}, "weights": "w"}

    async with AsyncExitStack() as stack:
        b = await stack.enter_async_context(model_server("b"))
        async with model_server("a") as a:
            given = given_settings(database=str(tmp_path / "l.db"), upstreams=[a, b], breaker_failures=2)
            gateway = await stack.enter_async_context(open_gateway(given))
            url = await stack.enter_async_context(serving(create_app(gateway)))
            client = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
            before = await asyncio.gather(*(asked(client, f"Question {n}") for n in range(20)))
            under_way = [asyncio.create_task(asked(client, f"Question {n}")) for n in range(40)]
            await asyncio.sleep(0)
        after = await asyncio.gather(*under_way, *(asked(client, f"Question {n}") for n in range(40)))
        states = {one.name: one.breaker for one in gateway.upstream.standings()}
    assert {(200, "yes")} == {answer[:2] for answer in (*before, *after)}
    assert {"a": "open", "b": "closed"} == states
