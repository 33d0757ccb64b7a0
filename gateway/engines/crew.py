"""Workers that may be lost: what one was doing another does, and a new one takes its place. Knows no Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from gateway.engines.protocol import Do
from gateway.errors import UpstreamUnreachable

__all__ = ["MOST_LOSSES", "Crew", "Hire", "NoRoom", "Worker", "WorkerLost"]

ItemT = TypeVar("ItemT")
DoneT = TypeVar("DoneT")
DoneT_co = TypeVar("DoneT_co", covariant=True)
ItemT_contra = TypeVar("ItemT_contra", contravariant=True)

MOST_LOSSES: Final = 3
"""So many workers may be lost in a row at one place with nothing done; then something is wrong with them all."""


class WorkerLost(Exception):
    """The worker's process or machine is gone, and what it was doing was not done."""


class NoRoom(Exception):
    """No worker can be had for now."""


class Worker(Protocol[ItemT_contra, DoneT_co]):
    """One who does items, several at once."""

    async def do(self, item: ItemT_contra) -> DoneT_co:
        """Do one. Raises ``WorkerLost``, and ``LetheError`` where the item fails."""
        ...

    def dismiss(self) -> None:
        """End it, whatever it is doing; also one that is lost."""
        ...


Hire: TypeAlias = Callable[[], Awaitable[Worker[ItemT, DoneT]]]
"""Get a worker that is ready. Raises ``WorkerLost``, ``NoRoom``, and ``LetheError`` for one who must not work."""


@dataclass(eq=False, slots=True)
class _Order(Generic[ItemT, DoneT]):
    item: ItemT
    done: asyncio.Future[DoneT]


@dataclass(slots=True)
class _Tally:
    done: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Loss:
    after_work: bool
    why: str


class Crew(Generic[ItemT, DoneT]):
    """So many workers, each with ``concurrency`` items at once; whoever is free takes the next item.

    An item is begun again when its worker is lost, so it may be done twice; its result counts once.
    """

    def __init__(self, hire: Hire[ItemT, DoneT], *, size: int, concurrency: int) -> None:
        self._hire = hire
        self._size = size
        self._concurrency = concurrency
        self._todo: asyncio.Queue[_Order[ItemT, DoneT]] = asyncio.Queue()
        self._waiting: set[_Order[ItemT, DoneT]] = set()
        self._at_work = 0
        self._failure: Exception | None = None

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Do[ItemT, DoneT]]:
        """Keep them at work inside the block."""
        places = [asyncio.create_task(self._place()) for _ in range(self._size)]
        try:
            yield self._do
        finally:
            for place in places:
                place.cancel()
            await asyncio.gather(*places, return_exceptions=True)

    async def _do(self, item: ItemT) -> DoneT:
        if self._failure is not None:
            raise self._failure
        order = _Order[ItemT, DoneT](item, asyncio.get_running_loop().create_future())
        self._waiting.add(order)
        self._todo.put_nowait(order)
        try:
            return await order.done
        finally:
            self._waiting.discard(order)

    async def _place(self) -> None:
        """Keep one worker at work, and another when it is lost; end all where none may or can work."""
        in_a_row = 0
        while self._failure is None:
            try:
                loss = await self._until_lost()
            except NoRoom as error:
                if not self._at_work:
                    self._fail(UpstreamUnreachable(str(error)))
            except Exception as error:
                self._fail(error)
            else:
                in_a_row = 1 if loss.after_work else in_a_row + 1
                if in_a_row == MOST_LOSSES:
                    self._fail(UpstreamUnreachable(f"workers are lost again and again: {loss.why}"))

    async def _until_lost(self) -> _Loss:
        """Hire a worker, and have it at work until it is lost."""
        tally = _Tally()
        try:
            worker = await self._hire()
        except WorkerLost as lost:
            return _Loss(False, str(lost))
        self._at_work += 1
        try:
            async with asyncio.TaskGroup() as hands:
                for _ in range(self._concurrency):
                    hands.create_task(self._hand(worker, tally))
        except* WorkerLost as lost:
            tally.why = str(lost.exceptions[0])
        finally:
            self._at_work -= 1
            worker.dismiss()
        return _Loss(tally.done > 0, tally.why)

    async def _hand(self, worker: Worker[ItemT, DoneT], tally: _Tally) -> None:
        """Give a worker one item after the other. Raises ``WorkerLost``."""
        while True:
            order = await self._todo.get()
            if order.done.done():  # nobody waits for it any more
                continue
            try:
                done = await worker.do(order.item)
            except (WorkerLost, asyncio.CancelledError):
                # Cancelled where another hand has found out that this worker is lost.
                self._todo.put_nowait(order)
                raise
            except Exception as error:
                _settle(order.done, error)
            else:
                if not order.done.done():
                    order.done.set_result(done)
            tally.done += 1

    def _fail(self, error: Exception) -> None:
        """Give up: what waits fails, and so does what comes."""
        self._failure = self._failure or error
        for order in self._waiting:
            _settle(order.done, self._failure)


def _settle(done: asyncio.Future[DoneT], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
