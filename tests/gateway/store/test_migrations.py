"""The migrations against the tables that the code believes in."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.store.schema import metadata
from gateway.store.store import Store


async def test_the_migrations_make_the_schema_that_the_code_uses(path: Path, store: Store) -> None:
    """A column added to the schema without a migration is found here."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


async def test_opening_again_migrates_nothing(path: Path, store: Store) -> None:
    """A database of the newest schema is only opened."""
    before = await store.snapshot()
    again = await Store.open(path)
    assert await again.snapshot() == before
    await again.aclose()


async def test_every_write_is_on_disk_before_it_is_acknowledged(path: Path, store: Store) -> None:
    """The journal is a write-ahead log, and each commit of the store's connections waits for the disk."""
    async with store._engine.connect() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 5000]


async def test_the_database_holds_at_most_one_active_certificate_a_generator(path: Path, store: Store) -> None:
    """The rule is the database's own, so that no other program can break it."""
    await store.put_certificate("c1", {})
    await store.activate_certificate("c1")
    refused = False
    try:
        _insert_active_certificate(path)
    except sqlite3.IntegrityError:
        refused = True
    assert refused


def test_the_tables_can_be_made_in_postgresql() -> None:
    """The schema compiles for the other database that replicas will share."""
    dialect = postgresql.dialect()
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    indexes = [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.sorted_tables
        for index in table.indexes
    ]
    assert len(statements) == 6
    assert indexes == [
        "CREATE UNIQUE INDEX one_active_certificate_a_generator ON certificates (generator) WHERE active = true"
    ]


def _insert_active_certificate(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        connection.execute("INSERT INTO certificates VALUES ('c2', '{}', 1, '2026-01-01 00:00:00', '')")
    finally:
        connection.close()
