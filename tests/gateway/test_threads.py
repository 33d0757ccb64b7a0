"""Threads that are held are counted, refused more work, and given back; the gateway's own work has others."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from gateway.threads import Threads, apart


def test_work_that_does_not_end_holds_its_thread_until_it_ends():
    """From a time on that is set; while all are held more is refused, and in words."""
    now, let_go = [0.0], threading.Event()
    threads = Threads(10.0, clock=lambda: now[0])
    try:
        started = [threading.Event() for _ in range(threads.count)]

        def hold(event):
            event.set()
            return let_go.wait(30)

        works = [threads.submit(hold, event) for event in started]
        assert all(event.wait(10) for event in started)
        now[0] = 10.0
        assert (0, "") == (threads.held(), threads.problem())
        now[0] = 10.1
        assert (threads.count, True) == (threads.held(), "restart" in threads.problem())
        with pytest.raises(RuntimeError, match="every thread is held"):
            threads.submit(int)
    finally:
        let_go.set()
    assert {True} == {work.result(10) for work in works}
    assert (0, 7) == (threads.held(), threads.submit(int, "7").result(10))
    threads.shutdown()


def test_work_that_fails_holds_nothing():
    """Its error is its caller's."""
    threads = Threads(-1.0)
    with pytest.raises(ValueError, match="invalid literal"):
        threads.submit(int, "seven").result(10)
    assert 0 == threads.held()
    threads.shutdown()


async def test_the_gateways_own_work_needs_none_of_them():
    """It runs where the verifiers' threads are all held, with what stands beside its request."""
    said = contextvars.ContextVar("said", default="nothing")
    threads = Threads(-1.0)
    asyncio.get_running_loop().set_default_executor(threads)
    let_go = threading.Event()
    holding = [asyncio.create_task(asyncio.to_thread(let_go.wait, 30)) for _ in range(threads.count)]
    while threads.held() < threads.count:  # noqa: ASYNC110 - threads begin when they like
        await asyncio.sleep(0.01)
    try:
        said.set("something")
        assert ("something", 7) == (await apart(said.get), await apart(int, "21", base=3))
        with pytest.raises(ValueError, match="invalid literal"):
            await apart(int, "seven")
    finally:
        let_go.set()
        await asyncio.gather(*holding)
