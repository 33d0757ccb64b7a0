"""Noticing that somebody wrote to a PostgreSQL database: told by it, and asking in case that fails.

Knows one channel and one number. A lost connection is made again; what was said meanwhile is lost, so everything
is read anew after it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import StoreError

__all__ = ["CHANNEL", "PATIENCE_S", "POLL_S", "Heard", "Listening", "since_boot"]

CHANNEL: Final = "lethe_policy"
"""Where the tables' triggers notify, whoever changed them (migration 0007)."""
POLL_S: Final = 0.25
"""How often the database is asked, and how long after a loss it is tried again."""
_REVISION: Final = "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE revision END FROM policy"
"""A standby answers as well, and as fast, with what it has been sent so far."""
PATIENCE_S: Final = 2.0
"""How long one question may take before the connection counts as lost."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What tells one state of the database from another: how often something was heard, and the revision."""

    times: int
    revision: int


def since_boot() -> float:
    """Give the seconds since the machine began, those in which it slept included where the system counts them.

    A machine that was put to sleep wakes with an old policy, and has to know how old.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Listening:
    """A connection that hears of every commit, and asks for the revision ``POLL_S`` after each answer.

    Guarantee: a version that ``version`` gives was the newest at most ``grace_s`` ago. While the database answers
    it is the newest of ``POLL_S`` ago even where no notification arrives, as behind a pool of connections.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Any]],
        say: Callable[[Exception], StoreError],
        failures: tuple[type[Exception], ...],
        *,
        grace_s: float,
        clock: Callable[[], float] = since_boot,
    ) -> None:
        """Take the driver's ways to connect and to fail. Makes no connection."""
        self._connect = connect
        self._say = say
        self._failures = failures
        self._grace_s = grace_s
        self._clock = clock
        self._heard = Heard(0, -1)
        self._confirmed_at: float | None = None
        self._problem: StoreError | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def begin(self) -> None:
        """Connect and listen, the first time that it is asked. Raises ``StoreError`` where that fails."""
        if self._task is None and not self._closed:
            try:
                connection = await self._listen()
            except self._failures as error:
                raise self._say(error) from error
            self._task = asyncio.create_task(self._follow(connection))

    def version(self) -> Heard:
        """Tell the newest version that is known. Raises ``StoreError`` where the last answer is too long ago."""
        if self._closed or self._confirmed_at is None:
            raise StoreError("the database is closed; restart the gateway")
        silent_s = self._clock() - self._confirmed_at
        if silent_s > self._grace_s:
            raise self._problem or StoreError(f"the database has not answered for {silent_s:.0f} s; look at it")
        return self._heard

    def wrote(self) -> None:
        """Count a write of this process, without waiting to be told of it."""
        self._heard = Heard(self._heard.times + 1, self._heard.revision)

    def outlived(self, seen: object, now: Heard) -> bool:
        """Nothing is remembered between transactions."""
        return False

    async def aclose(self) -> None:
        """Stop listening."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self, connection: Any) -> None:
        while True:
            try:
                await self._stay(connection)
            except Exception as error:  # whatever it was: who stops listening hears of nothing
                self._problem = self._say(error)
            finally:
                connection.terminate()
            connection = await self._again()

    async def _stay(self, connection: Any) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self._ask(connection)

    async def _again(self) -> Any:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                return await self._listen()
            except Exception as error:
                self._problem = self._say(error)

    async def _listen(self) -> Any:
        connection = await self._connect()
        try:
            await connection.add_listener(CHANNEL, self._told)
            await self._ask(connection)
        except BaseException:
            connection.terminate()
            raise
        self.wrote()  # whatever was said before, nobody here has heard it
        return connection

    async def _ask(self, connection: Any) -> None:
        asked_at = self._clock()  # not when the answer came: it may be as old as the question
        revision = await connection.fetchval(_REVISION, timeout=PATIENCE_S)
        if revision is None:
            raise ConnectionError("a standby, which hears of writes later than others")
        self._heard = Heard(self._heard.times, revision)
        self._confirmed_at = asked_at

    def _told(self, *_: object) -> None:
        self.wrote()
