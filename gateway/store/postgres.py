"""A database that is a PostgreSQL server's: how its connections behave, what its errors mean. Knows no tables.

For replicas on several machines. Needs the extra `postgres`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import Connection, event, inspect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.errors import StoreError
from gateway.store.database import Transactions
from gateway.store.listening import PATIENCE_S, Listening

__all__ = ["PostgresServer", "postgres_server"]

_MIGRATION_LOCK: Final = 0x6C657468650001
"""Of PostgreSQL's advisory locks, which are numbers, the one that who changes the schema holds: "lethe", 1."""
_MIGRATION_TIMEOUT_S: Final = 120
_COMMAND_TIMEOUT_S: Final = 30

_LOST: Final = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_ADVICE: Final = {
    "options": "the options of the database {shown} are not PostgreSQL's; see `man psql`, Connection Strings",
    "08": "the database {shown} cannot be reached; look at it and at the network",
    "28": "the database {shown} refuses this user or password; see LETHE_DATABASE, PGPASSWORD, ~/.pgpass",
    "3D000": "the database {shown} does not exist; make it: createdb --encoding=UTF8",
    "42501": "the database {shown} refuses this user what Lethe has to do; let it own the database",
    "53100": "the disk that holds the database {shown} is full; make room",
    "53300": "the database {shown} has too many connections; raise max_connections: 5 for each process",
    "55P03": "the database {shown} is locked by another transaction; end it, or try again",
    "25006": "the database {shown} may not be written: a standby? Name the primary",
    "57": "the database {shown} is stopping or starting; try again",
    "XX001": "the database {shown} is damaged; put back a whole copy",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server's database and a pool of connections to it.

    ``grace_s`` is how long the server may be out of reach while what it said last still counts.
    """

    shown: str
    engine: AsyncEngine
    connect: Callable[[], Awaitable[Any]]
    grace_s: float
    path: ClassVar[Path | None] = None
    shared: ClassVar = True
    transactions: ClassVar = Transactions(
        opening={"isolation_level": "READ COMMITTED", "lethe_lock_timeout_s": _MIGRATION_TIMEOUT_S},
        reading={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
        writing={"isolation_level": "READ COMMITTED"},
    )
    failures: ClassVar = (
        SQLAlchemyError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
        OSError,
    )

    def error(self, error: Exception) -> StoreError:
        """Say in one line what is wrong and what to do. Never quotes a value."""
        return server_error(error, self.shown)

    def prepare(self, connection: Connection, *, create: bool) -> None:
        """Wait until no other process changes the schema, and check what cannot be changed later.

        Raises ``StoreError`` for a database that cannot hold every letter, and for an empty one where ``create``
        is not set.
        """
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        if connection.exec_driver_sql("SHOW server_encoding").scalar_one() != "UTF8":
            raise StoreError(
                f"the database {self.shown} cannot hold every letter; make it anew: createdb --encoding=UTF8"
            )
        if not create and not inspect(connection).has_table("alembic_version"):
            raise StoreError(f"the database {self.shown} holds no topics; check its name, or add a topic to begin")

    def watch(self) -> Listening:
        """Give what will listen from the first reading on."""
        return Listening(self.connect, self.error, self.failures, grace_s=self.grace_s)


def postgres_server(dsn: str, *, busy_timeout_s: float, grace_s: float) -> PostgresServer:
    """Make ready to open a server's database, named as libpq names it. Makes no connection."""
    # Statements are few and rare, so none is kept prepared: what another version does to the tables spoils none.
    connect = partial(
        asyncpg.connect,
        dsn,
        timeout=PATIENCE_S * 2,
        command_timeout=_COMMAND_TIMEOUT_S,
        statement_cache_size=0,
        server_settings={"application_name": "lethe"},
    )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        connect_args={"prepared_statement_cache_size": 0},
        hide_parameters=True,  # an error's text must not quote a topic
        pool_size=2,
        max_overflow=2,
        pool_timeout=30,
        pool_pre_ping=True,  # a server that was restarted has closed them all
    )
    event.listen(engine.sync_engine, "begin", partial(_begin, busy_timeout_s=busy_timeout_s))
    return PostgresServer(_shown(dsn), engine, connect, grace_s)


def _begin(connection: Connection, *, busy_timeout_s: float) -> None:
    """Bound the wait for locks, and have every commit on disk before it is acknowledged, whatever the default."""
    seconds = connection.get_execution_options().get("lethe_lock_timeout_s", busy_timeout_s)
    connection.exec_driver_sql(
        f"SELECT set_config('lock_timeout', '{round(seconds * 1000)}', true), "
        "CASE WHEN current_setting('synchronous_commit') = 'off' "
        "THEN set_config('synchronous_commit', 'on', true) END"
    )


def _shown(dsn: str) -> str:
    """Leave out the password, and the options, which may hold one."""
    parts = urlsplit(dsn)
    user, at, host = parts.netloc.rpartition("@")
    return f"postgresql://{user.partition(':')[0]}{at}{host}{parts.path}"


def server_error(error: Exception, shown: str) -> StoreError:
    """Find the advice for what PostgreSQL, its driver or the network says. Never quotes a value."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lost = isinstance(cause, _LOST) or (isinstance(error, DBAPIError) and error.connection_invalidated)
    code = getattr(cause, "sqlstate", None) or ("08" if lost else "")
    if isinstance(cause, asyncpg.ClientConfigurationError):
        code = "options"
    for known in (code, code[:2]):
        if known in _ADVICE:
            return StoreError(_ADVICE[known].format(shown=shown))
    return StoreError(
        f"the database {shown} cannot be used ({type(cause).__name__} {code}); look at the server's log"
    )
