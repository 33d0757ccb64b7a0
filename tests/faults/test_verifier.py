"""Verifiers that hang, raise, abstain or lose their server: nothing that they did not judge goes out."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from gateway.app import create_app
from gateway.guard.policy import Panel
from gateway.parts import reconfigured
from gateway.serving import serving
from tests.faults.model import LAKE, LEAK, answering, dripping, endless, faulty_model, head, saying, silent
from tests.faults.wire import ask
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
