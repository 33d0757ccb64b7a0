"""A crew: lost workers are replaced, nothing is forgotten, and it ends where nobody is left."""

from __future__ import annotations

import asyncio

import pytest

from gateway.engines.crew import MOST_LOSSES, Crew, NoRoom, WorkerLost
from gateway.errors import InvalidInput, UpstreamUnreachable
from gateway.guard.together import all_of


class Doubling:
    """Doubles numbers; is lost at what ``lost_at`` names, and fails at odd ones if it is ``even_alone``."""

    def __init__(self, lost_at=(), *, even_alone=False):
        self.lost_at = set(lost_at)
        self.even_alone = even_alone
        self.asked = []
        self.dismissed = False

    async def do(self, item):
        """Do one."""
        self.asked.append(item)
        await asyncio.sleep(0.001 * (item % 3))
        if item in self.lost_at:
            raise WorkerLost("gone")
        if self.even_alone and item % 2:
            raise InvalidInput(f"{item} is odd")
        return 2 * item

    def dismiss(self):
        """End."""
        self.dismissed = True


class Office:
    """Hires these workers, one after the other, then more of the last; an exception is raised in place of one."""

    def __init__(self, *workers):
        self.workers = list(workers)
        self.hired = []

    async def hire(self):
        """Give the next."""
        await asyncio.sleep(0)
        worker = self.workers.pop(0) if len(self.workers) > 1 else self.workers[0]
        if isinstance(worker, Exception):
            raise worker
        self.hired.append(worker)
        return worker


async def doubled(office, numbers, size=1, concurrency=2):
    """Have numbers doubled."""
    async with asyncio.timeout(20):
        async with Crew(office.hire, size=size, concurrency=concurrency).working() as do:
            return await all_of(do(number) for number in numbers)


async def test_every_item_is_done_once_and_given_back_to_who_asked():
    """Whoever did it, and in whatever order."""
    workers = Doubling(), Doubling()
    assert [2 * number for number in range(30)] == await doubled(Office(*workers), range(30), size=2)
    assert list(range(30)) == sorted(workers[0].asked + workers[1].asked)
    assert [True, True] == [worker.dismissed for worker in workers]


async def test_what_a_lost_worker_was_at_is_done_by_another():
    """The other hands' items, too; the lost one is dismissed and replaced."""
    first, second = Doubling(lost_at={7}), Doubling()
    assert [2 * number for number in range(20)] == await doubled(Office(first, second), range(20))
    assert (True, True) == (first.dismissed, 7 in second.asked)


async def test_an_item_that_fails_fails_alone():
    """With its own words."""
    async with Crew(Office(Doubling(even_alone=True)).hire, size=1, concurrency=2).working() as do:
        found = await asyncio.gather(*(do(number) for number in range(4)), return_exceptions=True)
    assert [0, "1 is odd", 4, "3 is odd"] == [str(one) if isinstance(one, InvalidInput) else one for one in found]


async def test_a_worker_that_must_not_work_ends_it_all():
    """Results of some who may would be mixed with none of it."""
    office = Office(Doubling(), InvalidInput("another Lethe"))
    with pytest.raises(InvalidInput, match="another Lethe"):
        await doubled(office, range(2000), size=2)


async def test_an_item_that_kills_every_worker_ends_it_after_a_few():
    """It says why; whoever starts again resumes."""
    office = Office(Doubling(lost_at={3}))
    with pytest.raises(UpstreamUnreachable, match="again and again: gone"):
        await doubled(office, [3])
    assert MOST_LOSSES == len(office.hired)


async def test_losses_with_work_done_in_between_go_on_for_ever():
    """A cluster of machines that come and go finishes all the same."""
    workers = [Doubling(lost_at={number}) for number in range(1, 40, 3)]
    assert [2 * number for number in range(40)] == await doubled(Office(*workers, Doubling()), range(40))


async def test_a_worker_that_is_lost_before_it_is_ready_counts_as_lost():
    """Three in a row are too many."""
    with pytest.raises(UpstreamUnreachable, match="not installed"):
        await doubled(Office(WorkerLost("not installed")), [1])


async def test_no_room_for_one_worker_leaves_the_work_to_the_other():
    """It is tried again meanwhile."""
    assert [2 * number for number in range(30)] == await doubled(Office(Doubling(), NoRoom("full")), range(30), 2)


async def test_no_room_for_any_worker_is_said():
    """In place of waiting without end."""
    with pytest.raises(UpstreamUnreachable, match="full"):
        await doubled(Office(NoRoom("full")), [1])


async def test_who_comes_after_the_end_hears_why():
    """An item that is asked for later does not wait for ever."""
    async with Crew(Office(NoRoom("full")).hire, size=1, concurrency=1).working() as do:
        for _ in range(2):
            async with asyncio.timeout(20):
                with pytest.raises(UpstreamUnreachable, match="full"):
                    await do(1)


async def test_what_is_not_wanted_any_more_is_not_begun():
    """Whoever asked has gone."""
    worker = Doubling()
    async with Crew(Office(worker).hire, size=1, concurrency=1).working() as do:
        gone = asyncio.create_task(do(8))
        await asyncio.sleep(0)
        gone.cancel()
        assert 2 == await do(1)
    assert [1] == worker.asked
