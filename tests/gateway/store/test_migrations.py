"""The migrations against the tables that the code believes in."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.store import migrate
from gateway.store.addresses import database_at
from gateway.store.chain import Whole, checked, entry_of
from gateway.store.schema import metadata
from gateway.store.store import Store


def differences(connection: Connection) -> list[object]:
    """Compare a database's tables with those that the code believes in."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_the_schema_that_the_code_uses(store: Store) -> None:
    """A column added to the schema without a migration is found here."""
    async with store.database.engine.connect() as connection:
        assert [] == await connection.run_sync(differences)


async def test_opening_again_migrates_nothing(address: str, store: Store) -> None:
    """A database of the newest schema is only opened."""
    before = await store.snapshot()
    again = await Store.open(address)
    assert await again.snapshot() == before
    await again.aclose()


async def test_every_write_to_a_file_is_on_disk_before_it_is_acknowledged(path: Path) -> None:
    """The journal is a write-ahead log, and each commit of the store's connections waits for the disk."""
    store = await Store.open(path)
    async with store.database.engine.connect() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    await store.aclose()
    assert found == ["wal", 2, 1, 5000]


async def test_the_database_holds_at_most_one_active_certificate_a_generator(execute, store: Store) -> None:
    """The rule is the database's own, so that no other program can break it."""
    await store.put_certificate("c1", {})
    await store.activate_certificate("c1")
    with pytest.raises(RuntimeError, match=r"(?i)unique"):
        execute("INSERT INTO certificates VALUES ('c2', '{}', true, '2026-01-01 00:00:00', '', NULL)")


def test_the_tables_can_be_made_in_postgresql() -> None:
    """The schema compiles for the other database that replicas will share."""
    dialect = postgresql.dialect()
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    indexes = [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.sorted_tables
        for index in table.indexes
    ]
    assert len(statements) == len(metadata.sorted_tables)
    assert indexes == [
        "CREATE UNIQUE INDEX one_active_certificate_a_generator ON certificates (generator) WHERE active = true"
    ]


async def test_a_database_of_the_first_schema_keeps_all_that_it_has(address: str) -> None:
    """Made by the first migration alone, as it was released: topics, revision, and which certificate is active."""
    await _make_first_schema(address)
    store = await Store.open(address)
    record = await store.policy()
    assert (7, "Ada", ()) == (record.revision, record.topics[0].topic.name, record.backends)
    assert [{"id": "c1", "bindings": {"generator": "g"}}] == list(record.certificates)
    await store.put_certificate("c3", {"id": "c3", "bindings": {"generator": "h"}})
    await store.activate_certificate("c3")
    assert {"c1", "c3"} == {body["id"] for body in await store.active_certificates()}
    await store.activate_certificate("c2")
    assert {"c2", "c3"} == {body["id"] for body in await store.active_certificates()}
    revision, log = await store.audit()
    assert (7, "audit.begin") == (entry_of(log[0])["revision"], entry_of(log[0])["what"])
    assert isinstance(checked(log, revision=revision), Whole)
    await store.aclose()


async def _make_first_schema(address: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    database = database_at(address, create=True, busy_timeout_s=5, grace_s=5)

    def make(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        when = "'2026-01-01 00:00:00.000000'"
        body = '{"id": "%s", "bindings": {"generator": "g"}}'
        for statement in (
            "INSERT INTO topics VALUES ('ada', 'Ada', '[]', '', '[]', '[]', true, 'unaware', NULL, "
            f"{when}, {when})",
            f"INSERT INTO certificates VALUES ('c1', '{body % 'c1'}', true, {when})",
            f"INSERT INTO certificates VALUES ('c2', '{body % 'c2'}', false, {when})",
            "UPDATE policy SET revision = 7",
        ):
            connection.exec_driver_sql(statement)

    async with database.engine.execution_options(**database.transactions.opening).begin() as connection:
        await connection.run_sync(make)
    await database.engine.dispose()
