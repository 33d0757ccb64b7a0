"""Threads: those in which verifiers compute, watched, and others that no verifier can hold. Knows no verifiers.

Python cannot end a thread: what hangs in one keeps it until it comes back by itself, or the process ends.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

__all__ = ["Threads", "apart"]

P = ParamSpec("P")
T = TypeVar("T")


async def apart(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the gateway's own work in a thread of its own, whoever holds those of ``Threads``."""
    threads = ThreadPoolExecutor(1, thread_name_prefix="lethe-apart")
    try:
        work = partial(copy_context().run, partial(function, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    finally:
        threads.shutdown(wait=False)


class Threads(ThreadPoolExecutor):
    """As many threads as ``asyncio.to_thread`` has of itself, in which verifiers compute.

    What works longer than ``late_s`` holds its thread. While all are held, more is refused at once with
    ``RuntimeError``: it would wait in vain, and those who wait would become ever more.
    """

    def __init__(self, late_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = min(32, (os.cpu_count() or 1) + 4)
        super().__init__(self.count, thread_name_prefix="lethe-verifier")
        self._late_s = late_s
        self._clock = clock
        self._began: dict[object, float] = {}

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have it done in one of the threads. Raises ``RuntimeError`` where all are held, or after the end."""
        if self.held() >= self.count:
            raise RuntimeError("every thread is held by work that does not end")
        return super().submit(self._timed, function, args, kwargs)

    def held(self) -> int:
        """Count the threads whose work does not end."""
        late = self._clock() - self._late_s
        return sum(began < late for began in tuple(self._began.values()))

    def problem(self) -> str:
        """Say in words that every thread is held; empty where one is free."""
        if self.held() < self.count:
            return ""
        return f"the {self.count} threads of the verifiers are all held by work that does not end: restart"

    def _timed(self, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        work = object()
        self._began[work] = self._clock()
        try:
            return function(*args, **kwargs)
        finally:
            del self._began[work]
