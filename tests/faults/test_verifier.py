"""Verifiers that hang, raise, abstain or lose their server: nothing that they did not judge goes out."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace

import orjson
import pytest

from gateway.app import create_app
from gateway.guard.policy import Panel
from gateway.parts import reconfigured
from gateway.serving import serving
from tests.faults.model import LAKE, LEAK, answering, dripping, endless, faulty_model, head, saying, silent
from tests.faults.wire import ask, exchange
from verifiers.protocol import Abstained, Scored


class Failing:
    """A verifier that does what ``fault`` does, and passes everything once that is None."""

    name = "failing"
    fingerprint = "failing"

    def __init__(self, fault):
        self.fault = fault

    def prepare(self, topics):
        """Judge by the fault of the moment."""

        async def judge(exchange):
            return Scored(0.0) if self.fault is None else await self.fault()

        return judge


async def hang():
    """Never answer."""
    await asyncio.Event().wait()


async def crash():
    """Raise something that quotes what it read."""
    raise ValueError(LEAK)


async def crash_its_thread():
    """Lose the thread that it works in."""

    def lost():
        raise RuntimeError(LEAK)

    found = await asyncio.to_thread(lost)
    return Scored(0.0) if found is None else found


async def hang_in_its_thread():
    """Wait in a thread for something that comes much later."""
    await asyncio.to_thread(threading.Event().wait, 1.0)
    return Scored(0.0)


async def abstain():
    """Say that it cannot tell."""
    return Abstained("no idea")


async def exhaust():
    """Recurse without end."""
    return await exhaust()


async def answer_nonsense():
    """Give something that is no verdict."""
    return 0.0


@pytest.mark.parametrize("streaming", ["whole", "segment"])
@pytest.mark.parametrize("way", [{}, {"stream": True}], ids=["plain", "streamed"])
@pytest.mark.parametrize("text", [LAKE, LAKE * 2000], ids=["short", "long"])
async def test_what_a_verifier_did_not_judge_never_goes_out(face, way, streaming, text):
    """It hangs, raises, loses its thread, abstains, or gives no verdict: the fallback or an error."""
    faults = [hang, crash, crash_its_thread, hang_in_its_thread, abstain, exhaust, answer_nonsense]
    async with face(saying(text), streaming=streaming, verify_timeout_s=0.2) as faced:
        failing = Failing(None)
        judged = replace(faced.gateway, panel=Panel((failing,)))
        async with serving(create_app(reconfigured(judged, judged.settings))) as url:
            for fault in faults:
                failing.fault = fault
                answer = await ask(url, **way)
                assert (True, False) == (answer.status in (200, 500), b"lake" in answer.body), (fault, answer)
                faced.answers.append(answer)
            failing.fault = None
            answer = await ask(url, **way)
            assert (200, True) == (answer.status, b"lake" in answer.body)


async def readiness(url):
    """Ask whether it is ready, and give what it says of the verifiers."""
    answer = await exchange(url, b"GET /readyz HTTP/1.1\r\nhost: l\r\nconnection: close\r\n\r\n")
    said = orjson.loads(answer.body)["checks"]["verifiers"]
    assert answer.status == 503 or said == "ok"
    return said


async def switched(url, switch):
    """Switch the topic as an operator; gives the status."""
    head_ = f"POST /admin/topics/maren/{switch} HTTP/1.1\r\nhost: l\r\nx-admin-key: admin-key\r\n"
    return (await exchange(url, f"{head_}content-length: 0\r\nconnection: close\r\n\r\n".encode())).status


async def test_a_verifier_that_holds_every_thread_closes_the_gateway_until_it_lets_go(face):
    """And no longer; meanwhile it says so, refuses more at once, and an operator can still switch topics."""
    let_go = threading.Event()

    async def hold():
        await asyncio.to_thread(let_go.wait, 60)
        return Scored(0.0)

    async with face(saying(LAKE), verify_timeout_s=0.2) as faced:
        count, failing = faced.gateway.threads.count, Failing(None)
        judged = replace(faced.gateway, panel=Panel((failing,)))
        async with serving(create_app(reconfigured(judged, judged.settings))) as url:
            try:
                failing.fault = hold
                answers = await asyncio.gather(*(ask(url) for _ in range(count + 3)))
                assert {(200, False)} == {(answer.status, b"lake" in answer.body) for answer in answers}
                await asyncio.sleep(0.5)
                assert "held by work that does not end" in await readiness(url)
                began = time.monotonic()
                assert b"lake" not in (await ask(url, LAKE * 2000)).body
                assert time.monotonic() - began < 5
                assert 200 == await switched(url, "deactivate")
                assert b"lake" in (await ask(url, LAKE * 2000)).body
                assert 200 == await switched(url, "activate")
                assert b"lake" not in (await ask(url)).body
            finally:
                let_go.set()
            failing.fault = None
            await asyncio.sleep(0.2)
            assert "ok" == await readiness(url)
            assert b"lake" in (await ask(url)).body


@pytest.mark.parametrize(
    "fault",
    [
        silent,
        answering(b""),
        answering(head("500 Internal Server Error") + LEAK.encode()),
        answering(head() + LEAK.encode()),
        saying(LEAK),
        dripping(head(), b" "),
        endless(head(), b" " * 65_536),
    ],
    ids=["silent", "cut", "500", "garbage", "no verdict", "trickling", "endless"],
)
async def test_where_the_judges_server_fails_the_fallback_answers(face, fault):
    """Whatever its server does; and it judges again as soon as that answers."""
    passing = saying('{"leak": "no"}')
    async with faulty_model(fault) as judge:
        given = {"judge_url": judge.url, "judge_model": "j", "judge_timeout_s": 0.3, "judge_logprobs": False}
        settings = {**given, "verifiers": ("lexical", "judge"), "verify_timeout_s": 1.0}
        async with face(saying(LAKE), **settings) as faced:
            answer = await faced.ask()
            assert (200, False) == (answer.status, b"lake" in answer.body)
            judge.behave = passing
            assert await faced.recovers()
