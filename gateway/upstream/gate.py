"""A bounded queue before a server: so many at once, so many waiting, nobody for too long. Knows no servers."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from gateway.errors import UpstreamBusy

__all__ = ["Gate"]

_RETRY_S: Final = 2


class Gate:
    """Use as ``async with``: inside are at most ``running`` at once. Raises ``UpstreamBusy`` instead of waiting
    behind ``waiting`` others, or longer than ``wait_s`` seconds. First come, first served."""

    def __init__(self, running: int, waiting: int, wait_s: float) -> None:
        self._places = asyncio.Semaphore(running)
        self._most_running = running
        self._most_waiting = waiting
        self._wait_s = wait_s
        self.running = 0
        self.waiting = 0
        self.refused = 0

    @property
    def full(self) -> bool:
        """Say whether whoever comes now has to wait."""
        return self._places.locked()

    @property
    def load(self) -> float:
        """Compare gates: how many are inside and waiting, as a part of those that fit inside."""
        return (self.running + self.waiting) / self._most_running

    async def __aenter__(self) -> None:
        """Come in, at once if there is room."""
        if self._places.locked():
            await self._wait()
        else:
            await self._places.acquire()
        self.running += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make room."""
        self.running -= 1
        self._places.release()

    async def _wait(self) -> None:
        if self.waiting >= self._most_waiting:
            self.refused += 1
            raise UpstreamBusy("too many requests wait for the model; try again", retry_after_s=_RETRY_S)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError:
            self.refused += 1
            raise UpstreamBusy("the model is busy; try again", retry_after_s=_RETRY_S) from None
        finally:
            self.waiting -= 1
