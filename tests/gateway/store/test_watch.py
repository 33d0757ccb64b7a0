"""Noticing writes to a file: of this store, another, another process; and noticing that it cannot tell."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.store.watch import FileWatch
from verifiers.protocol import Topic

ADA = ForgetTopic(Topic("ada", "Ada"))

TOGGLE = """
import asyncio, sys
from gateway.store.store import Store
async def main():
    store = await Store.open(sys.argv[1])
    await store.set_active("ada", False)
    await store.aclose()
asyncio.run(main())
"""


@pytest.fixture
def address(path: Path) -> str:
    """Name a file; test_listening.py has the same for a server."""
    return str(path)


def toggle_elsewhere(path: Path) -> None:
    """Switch the topic off in another process."""
    subprocess.run([sys.executable, "-c", TOGGLE, str(path)], check=True, timeout=60)


def delete(path: Path) -> None:
    """Delete the database under its readers."""
    path.unlink()


def replace_by_a_copy(path: Path) -> None:
    """Move a copy of the database into its place."""
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)


async def test_the_policy_counts_as_changed_before_the_first_snapshot(store: Store) -> None:
    """A server that has read nothing yet must read."""
    assert store.revision_changed()
    await store.snapshot()
    assert not store.revision_changed()


async def test_an_own_write_is_seen(store: Store) -> None:
    """The process that took a toggle sees it at its next look."""
    await store.snapshot()
    await store.add(ADA)
    assert store.revision_changed()
    await store.snapshot()
    assert not store.revision_changed()


async def test_two_stores_see_each_others_writes(path: Path, store: Store) -> None:
    """Either of two stores on one file sees what the other wrote, and only until it has read it."""
    other = await Store.open(path)
    await store.snapshot()
    await other.snapshot()
    await store.add(ADA)
    assert (store.revision_changed(), other.revision_changed()) == (True, True)
    await store.snapshot()
    assert (store.revision_changed(), other.revision_changed()) == (False, True)
    await other.snapshot()
    await other.set_active("ada", False)
    assert (store.revision_changed(), other.revision_changed()) == (True, True)
    await other.aclose()


async def test_a_toggle_by_another_process_is_seen_at_the_next_look(path: Path, store: Store) -> None:
    """`lethe topics off` beside a running server counts from the server's next request on."""
    await store.add(ADA)
    await store.snapshot()
    toggle_elsewhere(path)
    assert store.revision_changed()
    assert not (await store.snapshot()).topics[0].active


async def test_looking_does_not_make_a_change_seen(store: Store) -> None:
    """A change stays a change until the policy was read: a reader that failed must try again."""
    await store.snapshot()
    await store.add(ADA)
    assert [store.revision_changed() for _ in range(3)] == [True, True, True]


async def test_an_onlooker_does_not_make_a_change_seen(store: Store) -> None:
    """The admin API reads the policy too; the server must still notice the change afterwards."""
    await store.snapshot()
    await store.add(ADA)
    await store.policy()
    assert store.revision_changed()


async def test_reading_is_not_a_change(path: Path, store: Store) -> None:
    """Only writes make the server read its policy again."""
    other = await Store.open(path)
    await store.snapshot()
    await other.topics()
    await other.aclose()
    assert not store.revision_changed()


async def test_a_database_that_has_gone_fails_closed(path: Path, store: Store) -> None:
    """SQLite would go on reading a deleted file; the check does not."""
    await store.snapshot()
    delete(path)
    with pytest.raises(StoreError, match="has gone"):
        store.revision_changed()


async def test_a_database_that_was_replaced_fails_closed(path: Path, store: Store) -> None:
    """A copy moved over the file is another database, which the open connections do not read."""
    await store.snapshot()
    replace_by_a_copy(path)
    with pytest.raises(StoreError, match="was replaced"):
        store.revision_changed()
    with pytest.raises(StoreError, match="was replaced"):
        await store.snapshot()


async def test_a_database_locked_for_itself_by_another_program_fails_closed(path: Path) -> None:
    """Where even reading is locked out the check raises, rather than say that nothing changed."""
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("PRAGMA locking_mode = EXCLUSIVE")
    locker.execute("PRAGMA journal_mode = WAL")
    locker.execute("CREATE TABLE held (x)")
    watch = FileWatch(path)
    with pytest.raises(StoreError, match="locked"):
        watch.version()
    locker.close()
    assert watch.version().written > 0
    await watch.aclose()
