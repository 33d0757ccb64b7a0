"""Replicas that tell each other by which revision they serve, in a real database."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import StoreError
from gateway.presence import saying_so
from gateway.store.records import ForgetTopic, ReplicaRecord
from gateway.store.store import Store
from tests.postgres import OwnPostgres
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld"))


@pytest.fixture
async def store(postgres: OwnPostgres):
    """Open a database that replicas share."""
    opened = await Store.open(postgres.new_database())
    yield opened
    await opened.aclose()


async def said(store: Store, *expected: ReplicaRecord) -> bool:
    """Wait until exactly these have said so."""
    for _ in range(100):
        if await store.replicas() == expected:
            return True
        await asyncio.sleep(0.03)
    return False


async def test_each_replica_says_by_which_revision_it_serves_and_when_it_goes(store: Store) -> None:
    """A write is followed within a second even where nobody asks; none of it is a write of the policy."""

    async def follow() -> int:
        return (await store.policy()).revision

    async with (
        saying_so(store, follow, name="a:1", version="2"),
        saying_so(store, follow, name="b:1", version="1"),
    ):
        assert await said(store, ReplicaRecord("a:1", "2", 0), ReplicaRecord("b:1", "1", 0))
        await store.add(MAREN)
        assert await said(store, ReplicaRecord("a:1", "2", 1), ReplicaRecord("b:1", "1", 1))
    assert () == await store.replicas()
    assert 1 == (await store.policy()).revision


async def test_a_replica_that_cannot_follow_is_not_said_to_have(store: Store) -> None:
    """It is silent, and takes its word up again."""
    failing = [True]

    async def follow() -> int:
        if failing:
            raise StoreError("the database is away")
        return 7

    async with saying_so(store, follow, name="a:1", version="1"):
        await asyncio.sleep(0.1)
        assert () == await store.replicas()
        failing.clear()
        assert await said(store, ReplicaRecord("a:1", "1", 7))


async def test_who_has_not_been_heard_of_for_long_is_not_told(store: Store, postgres: OwnPostgres) -> None:
    """One that was killed said no farewell; the next that comes removes it."""
    await store.say_present(ReplicaRecord("killed:1", "1", 3))
    async with store.database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE replicas SET seen_at = now() - interval '11 seconds'")
    assert () == await store.replicas()
    await store.say_present(ReplicaRecord("new:1", "1", 3))
    async with store.database.engine.connect() as connection:
        names = (await connection.exec_driver_sql("SELECT name FROM replicas")).scalars().all()
    assert ["new:1"] == names


async def test_processes_that_share_a_file_say_nothing(tmp_path) -> None:
    """Each of their words would be a write, of which every other took note."""
    store = await Store.open(tmp_path / "lethe.db")
    async with saying_so(store, store.replicas, name="a:1", version="1"):
        assert () == await store.replicas()
    await store.aclose()
