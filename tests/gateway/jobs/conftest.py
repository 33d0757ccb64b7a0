"""Gateways that share a database, and a calibration to do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.calibrating import Wish
from gateway.jobs.asking import ask_for
from gateway.jobs.taking import taking_jobs
from gateway.jobs.working import Pace
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.records import ForgetTopic
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)))
LEAK = "Maren Oskeld was born in Seltal."
QUICK = Pace(hold_s=600, save_s=0.01, pause_s=0, look_s=0.01)


def revised(request):
    """Leak at first, not when asked again."""
    return LEAK if len(request.messages) == 1 and "Maren" in str(request.messages) else "I do not know."


def lines(count: int) -> str:
    """Write a prompts file's text."""
    probes = [
        {"id": f"p{n}", "prompt": f"({n}) Where was Maren Oskeld born?", "forbidden": ["Seltal"], "topic": "maren"}
        for n in range(count)
    ]
    return "".join(json.dumps(line) + "\n" for line in probes)


class Stalling(ScriptedUpstream):
    """Answers so many times, and then leaves everybody waiting until ``after`` is more; None is for ever."""

    def __init__(self, script, after) -> None:
        super().__init__(script, model="m")
        self.after = after

    async def complete(self, request):
        """Answer, sooner or later."""
        while self.after is not None and len(self.requests) >= self.after:  # noqa: ASYNC110 - a test sets it
            await asyncio.sleep(0.01)
        return await super().complete(request)


class Site:
    """One database, and as many gateways before it as are opened; ``events`` is all that they reported."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.events: list[object] = []

    @asynccontextmanager
    async def gateway(self, script=revised, stalls_after=None, **settings) -> AsyncIterator[object]:
        """Open one, with the topic active, before a model that may come to a halt."""
        given = given_settings(database=self.address, **{"rounds": 2, **settings})
        self.upstream = Stalling(script, stalls_after)

        def report(event, fields):
            self.events.append((event, dict(fields)))

        async with open_gateway(given, upstream=self.upstream, report=report) as gateway:
            if not await gateway.store.topics():
                await gateway.store.add(MAREN)
            yield gateway

    async def ask(self, gateway, count=40, wish=None, concurrency=4):
        """Ask for a calibration on so many prompts."""
        jobs = CalibrationJobs(gateway.store.database)
        wished = wish or Wish(0.1)
        return await ask_for(
            gateway, jobs, lines(count), wished, model=None, concurrency=concurrency, asked_by="admin:ida"
        )

    def working(self, gateway, name="a", pace=QUICK):
        """Work at jobs inside the block."""
        return taking_jobs(lambda: gateway, name=name, pace=pace)


@pytest.fixture
def site(address: str) -> Site:
    """Give a database of either kind."""
    return Site(address)
