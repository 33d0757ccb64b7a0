"""Noticing writes to a PostgreSQL database: told, asking, and after the server was away."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.errors import StoreError
from gateway.store.chain import Whole, checked
from gateway.store.listening import POLL_S, Listening, since_boot
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from tests.postgres import OwnPostgres
from verifiers.protocol import Topic

ADA = ForgetTopic(Topic("ada", "Ada"))

TOGGLE = """
import asyncio, sys
from gateway.store.store import Store
async def main():
    store = await Store.open(sys.argv[1])
    for number in range(10):
        await store.set_active("ada", number % 2 == 1)
    await store.aclose()
asyncio.run(main())
"""


@pytest.fixture
def address(postgres: OwnPostgres) -> str:
    """Name a new database; test_watch.py has the same for a file."""
    return postgres.new_database()


@pytest.fixture
async def other(address: str, store: Store) -> AsyncIterator[Store]:
    """Open the database once more, as another replica."""
    opened = await Store.open(address)
    yield opened
    await opened.aclose()


async def seen(store: Store, within_s: float = 1.0) -> bool:
    """Say whether a change is seen in time."""
    ends = time.monotonic() + within_s
    while not store.revision_changed():
        if time.monotonic() > ends:
            return False
        await asyncio.sleep(0.005)
    return True


async def quiet(store: Store) -> None:
    """Read until nothing is new: what was notified may be heard of after it was read."""
    await store.snapshot()
    while await seen(store, within_s=0.3):
        await store.snapshot()


async def answering(store: Store, within_s: float = 20.0) -> None:
    """Wait until the store can be read again."""
    ends = time.monotonic() + within_s
    while True:
        try:
            await store.snapshot()
            return
        except StoreError:
            assert time.monotonic() < ends
            await asyncio.sleep(0.05)


async def test_the_policy_counts_as_changed_before_the_first_snapshot_and_not_after(store: Store) -> None:
    """A server that has read nothing yet must read; nothing written, nothing to read."""
    assert store.revision_changed()
    await quiet(store)
    assert not await seen(store)


async def test_an_own_write_is_seen_at_the_next_look(store: Store) -> None:
    """The process that took a toggle does not wait to be told of it."""
    await store.add(ADA)
    await quiet(store)
    await store.set_active("ada", False)
    assert store.revision_changed()


async def test_another_replicas_write_is_seen(store: Store, other: Store) -> None:
    """And stays seen until it was read, whoever else reads."""
    await store.add(ADA)
    await quiet(store)
    await other.set_active("ada", False)
    assert await seen(store)
    await store.policy()
    assert store.revision_changed()
    assert not (await store.snapshot()).topics[0].active


async def test_what_another_program_changes_is_seen_too(store: Store, execute) -> None:
    """The tables tell of it themselves, even where the revision stays what it was."""
    await store.add(ADA)
    await quiet(store)
    execute("UPDATE topics SET active = false")
    assert await seen(store)


async def test_a_write_is_seen_even_where_no_notification_arrives(store: Store, other: Store, execute) -> None:
    """Behind a pool of connections the notifications go astray; the revision is asked for."""
    await store.add(ADA)
    execute(*(f"DROP TRIGGER {table}_tell ON {table}" for table in ("topics", "policy")))
    await quiet(store)
    await other.set_active("ada", False)
    assert await seen(store)


async def test_while_the_server_is_away_the_last_policy_counts_and_then_the_newest(
    store: Store, other: Store, postgres: OwnPostgres
) -> None:
    """Nobody can write while it is away, so nothing is missed; what is written afterwards is seen."""
    await store.add(ADA)
    await quiet(store)
    postgres.stop()
    await asyncio.sleep(0.6)
    assert not store.revision_changed()
    with pytest.raises(StoreError, match="cannot be reached"):
        await store.set_active("ada", False)
    postgres.start()
    await answering(store)
    await other.set_active("ada", False)
    assert await seen(store)
    assert not (await store.snapshot()).topics[0].active
    assert isinstance(checked((await store.audit())[1], revision=2), Whole)


async def test_a_server_that_is_away_for_too_long_closes_the_gateway(address: str, postgres: OwnPostgres) -> None:
    """It could be that others reach it and switch a topic on: fail closed, and open again by itself."""
    store = await Store.open(address, grace_s=0.5)
    await quiet(store)
    postgres.stop(signal.SIGQUIT)
    await asyncio.sleep(1.2)
    with pytest.raises(StoreError, match="cannot be reached"):
        store.revision_changed()
    postgres.start()
    await answering(store)
    await store.aclose()


class Server:
    """A connection to a server that is the primary, or ``behind`` it, and that may no longer answer."""

    def __init__(self) -> None:
        self.behind = self.silent = False
        self.ended = 0

    async def add_listener(self, *_: object) -> None:
        """Hear of nothing."""

    async def fetchval(self, query: str, **_: object) -> int | None:
        """Answer as PostgreSQL does."""
        assert "pg_is_in_recovery" in query
        if self.silent:
            raise TimeoutError
        return None if self.behind else 7

    def terminate(self) -> None:
        """Count it."""
        self.ended += 1


@asynccontextmanager
async def listening(server: Server, clock: Callable[[], float]) -> AsyncIterator[Listening]:
    """Listen to it with a grace of ten seconds."""

    async def connect() -> Server:
        return server

    one = Listening(connect, lambda error: StoreError(type(error).__name__), (OSError,), grace_s=10, clock=clock)
    yield one
    await one.aclose()


async def test_a_standby_is_not_believed() -> None:
    """It answers, but with what it has been sent so far: a toggle could be missed for as long as it lags."""
    server = Server()
    server.behind = True
    async with listening(server, lambda: 0.0) as one:
        with pytest.raises(StoreError):
            await one.begin()


async def test_a_server_that_becomes_a_standby_counts_as_gone() -> None:
    """After the grace period nothing is answered by what it said."""
    server, now = Server(), 0.0
    async with listening(server, lambda: now) as one:
        await one.begin()
        assert 7 == one.version().revision
        server.behind = True
        await asyncio.sleep(3 * POLL_S)
        now = 11.0
        with pytest.raises(StoreError):
            one.version()
    assert server.ended


async def test_a_machine_that_slept_knows_how_old_its_policy_is() -> None:
    """The clock goes on meanwhile, so nothing is answered by a policy of before."""
    now = 0.0
    async with listening(Server(), lambda: now) as one:
        await one.begin()
        now = 3600.0
        with pytest.raises(StoreError):
            one.version()
    assert since_boot() >= time.monotonic() - 1.0


async def test_writers_in_several_processes_leave_one_whole_chain(store: Store, address: str) -> None:
    """Every write is logged once, in the order of the revisions."""
    await store.add(ADA)
    writers = [await asyncio.create_subprocess_exec(sys.executable, "-c", TOGGLE, address) for _ in range(2)]
    own = [await store.set_active("ada", True) for _ in range(10)]
    assert [0, 0] == [await writer.wait() for writer in writers]
    revision, log = await store.audit()
    assert (31, sorted(own)) == (revision, own)
    assert isinstance(checked(log, revision=revision), Whole)
