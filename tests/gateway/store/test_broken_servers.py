"""PostgreSQL databases that cannot be used: a clear error each, which tells no password."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.errors import StoreError
from gateway.store.postgres import postgres_server
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from tests.postgres import OwnPostgres
from verifiers.protocol import Topic


async def opening(address: str, *, create: bool = True, busy_timeout_s: float = 0.2) -> str:
    """Return what opening the database fails with."""
    with pytest.raises(StoreError) as failed:
        await (await Store.open(address, create=create, busy_timeout_s=busy_timeout_s)).aclose()
    return str(failed.value)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    """The message says where it was looked for."""
    message = await opening("postgresql://ida:seven-bells@127.0.0.1:1/policy?application_name=seven-bells")
    assert (
        "the database postgresql://ida@127.0.0.1:1/policy cannot be reached; look at it and at the network"
        == message
    )


async def test_a_database_that_is_not_there_is_not_made(postgres: OwnPostgres) -> None:
    """Who may make it is not Lethe's to say."""
    assert "does not exist; make it" in await opening(postgres.new_database().replace("@/lethe", "@/nowhere"))


async def test_an_empty_database_stays_empty_where_only_reading_was_asked(postgres: OwnPostgres) -> None:
    """A mistyped name must not leave tables behind."""
    address = postgres.new_database()
    assert "holds no topics" in await opening(address, create=False)
    assert "0" == postgres.execute(address, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")


async def test_another_programs_database_is_refused_and_kept(postgres: OwnPostgres) -> None:
    """A database with tables that Lethe did not make gets none of Lethe's."""
    address = postgres.new_database()
    postgres.execute(address, "CREATE TABLE recipes (name TEXT)")
    assert "another program" in await opening(address)
    assert "recipes" == postgres.execute(address, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")


async def test_a_database_of_a_newer_lethe_is_refused(postgres: OwnPostgres) -> None:
    """A schema from the future is not guessed at: the message says to upgrade."""
    address = postgres.new_database()
    await (await Store.open(address)).aclose()
    postgres.execute(address, "UPDATE alembic_version SET version_num = '9999'")
    assert "newer Lethe (schema 9999)" in await opening(address)


async def test_a_database_that_cannot_hold_every_letter_is_refused(postgres: OwnPostgres) -> None:
    """A name that comes back with other letters would be a topic that nothing finds."""
    address = postgres.new_database("ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C' LOCALE_PROVIDER libc")
    assert "cannot hold every letter" in await opening(address)


async def test_a_database_that_may_not_be_written_says_so(postgres: OwnPostgres) -> None:
    """A standby refuses writes as this one does."""
    address = postgres.new_database()
    name = address.partition("@/")[2].partition("?")[0]
    await (await Store.open(address)).aclose()
    postgres.execute(address, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store = await Store.open(address)
    with pytest.raises(StoreError, match="may not be written"):
        await store.add(ForgetTopic(Topic("ada", "Ada")))
    await store.aclose()


async def test_a_write_to_a_locked_policy_ends_in_an_error_and_changes_nothing(postgres: OwnPostgres) -> None:
    """Another program's long transaction is not waited for without end."""
    address = postgres.new_database()
    store = await Store.open(address, busy_timeout_s=0.2)
    locker = await asyncpg.connect(address)
    async with locker.transaction():
        await locker.execute("LOCK TABLE policy")
        with pytest.raises(StoreError, match="locked by another transaction"):
            await store.add(ForgetTopic(Topic("ada", "Ada")))
    await locker.close()
    assert () == await store.topics()
    await store.aclose()


async def test_a_commit_waits_for_the_disk_even_where_the_server_would_not(postgres: OwnPostgres) -> None:
    """What was acknowledged must not be lost."""
    address = postgres.new_database()
    name = address.partition("@/")[2].partition("?")[0]
    postgres.execute(address, f"ALTER DATABASE {name} SET synchronous_commit = off")
    server = postgres_server(address, busy_timeout_s=3, grace_s=1)
    async with server.engine.execution_options(**server.transactions.writing).begin() as connection:
        settings = [
            (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()
            for name in ("synchronous_commit", "lock_timeout", "transaction_isolation")
        ]
    await server.engine.dispose()
    assert ["on", "3s", "read committed"] == settings
