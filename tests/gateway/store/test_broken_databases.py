"""Databases that cannot be used: each a clear error, and the file as it was."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.store.watch import file_error
from verifiers.protocol import Topic

ADA = ForgetTopic(Topic("ada", "Ada", facts=("Ada cast bells. " * 2000,)))

WRITE_FOREVER = """
import asyncio, itertools, sys
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.store.watch import file_error
from verifiers.protocol import Topic
async def main():
    store = await Store.open(sys.argv[1])
    for number in itertools.count():
        await store.add(*(ForgetTopic(Topic(f"t{number}-{part}", "T", facts=("x" * 5000,))) for part in range(5)))
        print(number, flush=True)
asyncio.run(main())
"""

OPEN_AND_ADD = """
import asyncio, sys
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.store.watch import file_error
from verifiers.protocol import Topic
async def main():
    store = await Store.open(sys.argv[1])
    for number in range(10):
        await store.add(ForgetTopic(Topic(f"{sys.argv[2]}-{number}", "T")))
    await store.aclose()
asyncio.run(main())
"""


def change(path: Path, *statements: str) -> None:
    """Change a database behind Lethe's back."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def make(address: Path | str) -> None:
    """Make a database with one long topic."""

    async def fill() -> None:
        store = await Store.open(address)
        await store.add(ADA)
        await store.aclose()

    asyncio.run(fill())


def opening(path: Path, *, create: bool = True) -> str:
    """Return what opening the database fails with."""

    async def attempt() -> None:
        store = await Store.open(path, create=create, busy_timeout_s=0.1)
        await store.aclose()

    with pytest.raises(StoreError) as failed:
        asyncio.run(attempt())
    return str(failed.value)


def test_a_file_that_is_no_database_is_named_and_kept(path: Path) -> None:
    """A text file in the database's place is refused and not overwritten."""
    path.write_text("these are my notes, not a database\n" * 100)
    before = path.read_bytes()
    assert opening(path) == f"{path} is not a SQLite database; name another file, or put back a whole copy"
    assert path.read_bytes() == before


def test_a_damaged_page_is_found_at_the_start(path: Path) -> None:
    """Damage far behind the header is found when opening, not at some later request."""
    make(path)
    content = bytearray(path.read_bytes())
    pages = range(0, len(content), 4096)
    deep = max(page for page in pages if content[page + 4 : page + 4096].count(b"Ada cast bells") > 200)
    content[deep : deep + 4] = b"\x55" * 4  # where a long text goes on: no page has this number
    path.write_bytes(content)
    assert "damaged" in opening(path)
    assert path.read_bytes() == bytes(content)


def test_a_truncated_database_is_found_at_the_start(path: Path) -> None:
    """Half a file, as a broken copy leaves it, is refused."""
    make(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged" in opening(path)


def test_a_database_of_a_newer_lethe_is_refused_and_kept(path: Path) -> None:
    """A schema from the future is not guessed at: the message says to upgrade."""
    make(path)
    newest = sqlite3.connect(path).execute("SELECT version_num FROM alembic_version").fetchone()[0]
    change(path, "UPDATE alembic_version SET version_num = '9999'")
    message = opening(path)
    assert "newer Lethe (schema 9999)" in message
    assert "upgrade Lethe" in message
    change(path, f"UPDATE alembic_version SET version_num = '{newest}'")
    make_sure_ada_is_there(path)


def make_sure_ada_is_there(path: Path) -> None:
    """Open the database and find the topic in it."""

    async def look() -> tuple[ForgetTopic, ...]:
        store = await Store.open(path)
        topics = await store.topics()
        await store.aclose()
        return topics

    assert asyncio.run(look()) == (ADA,)


def test_another_programs_database_is_refused_and_kept(path: Path) -> None:
    """A database with tables that Lethe did not make gets no tables of Lethe's."""
    change(path, "CREATE TABLE recipes (name TEXT)")
    assert "another program" in opening(path)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]
    connection.close()


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    """The message says which directory to create."""
    assert opening(tmp_path / "nowhere" / "lethe.db").startswith(f"there is no directory {tmp_path / 'nowhere'}")


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    """A directory in the database's place is refused."""
    assert "is a directory" in opening(tmp_path)


def test_a_missing_database_is_not_made_where_only_reading_was_asked(path: Path) -> None:
    """A mistyped name must not leave an empty database behind."""
    assert "there is no database" in opening(path, create=False)
    assert not path.exists()


def test_a_locked_database_says_so(path: Path) -> None:
    """Another program's long transaction ends in an error after the busy timeout, not in waiting."""
    make(path)
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    assert "locked by another program" in opening(path)
    locker.close()
    make_sure_ada_is_there(path)


def test_a_write_to_a_locked_database_changes_nothing(path: Path) -> None:
    """A write that could not get the lock raises, and the topic stays as it was."""
    make(path)

    async def attempt() -> ForgetTopic:
        store = await Store.open(path, busy_timeout_s=0.1)
        locker = sqlite3.connect(path, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            await store.set_active("ada", False)
        locker.close()
        topic = await store.topic("ada")
        await store.aclose()
        return topic

    assert asyncio.run(attempt()) == ADA


def test_a_read_only_database_says_so(path: Path) -> None:
    """SQLite's own error for a file that may not be written becomes a sentence with advice."""
    make(path)
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as refused:
        connection.execute("DELETE FROM topics")
    connection.close()
    assert "may not be written" in str(file_error(refused.value, path))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE topics SET facts = '\"no list\"'",
        "UPDATE topics SET name = ''",
        "UPDATE topics SET aliases = '3'",
        "UPDATE topics SET aliases = '[3]'",
        "UPDATE topics SET facts = '{\"a\": 1}'",
        "UPDATE topics SET fallback_style = 'polite'",
        "UPDATE certificates SET body = '[1]'",
        "DELETE FROM policy",
        "ALTER TABLE client_keys RENAME TO away",
    ],
)
def test_what_lethe_did_not_write_fails_closed(address: str, execute, damage: str) -> None:
    """A row edited by hand into nonsense is an error of the store, never a topic left out."""
    make(address)
    execute("INSERT INTO certificates VALUES ('c', '{}', true, '2026-01-01 00:00:00', '', NULL)", damage)

    async def look() -> None:
        store = await Store.open(address)
        try:
            with pytest.raises(StoreError):
                await store.snapshot()
            assert store.revision_changed()
        finally:
            await store.aclose()

    asyncio.run(look())


def test_a_failed_migration_leaves_the_database_as_it_was(path: Path) -> None:
    """Migrations run in one transaction: a table in the way undoes the tables made before it."""
    change(
        path,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
        "CREATE TABLE policy (x)",
    )
    opening(path)
    connection = sqlite3.connect(path)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    connection.close()
    assert names == {"alembic_version", "policy"}


def test_kill_9_loses_nothing_acknowledged_and_leaves_nothing_half_done(path: Path) -> None:
    """A writer killed amid its writes: what it reported is there, and each write whole or not at all."""
    for _ in range(3):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE_FOREVER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
        writer.kill()
        acknowledged += [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()

        async def look() -> tuple[int, list[str]]:
            store = await Store.open(path)
            record = await store.snapshot()
            await store.aclose()
            return record.revision, [topic.topic.id for topic in record.topics]

        revision, ids = asyncio.run(look())
        assert revision - len(acknowledged) in (0, 1)
        assert sorted(ids) == sorted(f"t{number}-{part}" for number in range(revision) for part in range(5))


def test_processes_that_open_a_new_database_at_once_share_it(address: str) -> None:
    """Four processes start on a database that is empty yet: one makes the tables and no write is lost."""
    writers = [
        subprocess.Popen([sys.executable, "-c", OPEN_AND_ADD, address, name], stderr=subprocess.PIPE)
        for name in "abcd"
    ]
    errors = [writer.communicate(timeout=120)[1].decode() for writer in writers]
    assert errors == [""] * 4

    async def look() -> tuple[int, int]:
        store = await Store.open(address)
        record = await store.snapshot()
        await store.aclose()
        return record.revision, len(record.topics)

    assert asyncio.run(look()) == (40, 40)
