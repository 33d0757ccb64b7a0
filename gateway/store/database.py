"""What the store asks of a database. SQLite and PostgreSQL answer it; neither knows the tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.errors import StoreError

__all__ = ["Database", "Transactions", "Watch", "transaction"]

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Transactions:
    """SQLAlchemy's execution options for each kind of transaction.

    ``opening`` brings the tables to the newest schema, one process at a time. ``reading`` sees one moment, however
    many statements it has. ``writing`` sees, after its first statement has locked the policy's row, all that was
    committed before.
    """

    opening: Mapping[str, Any]
    reading: Mapping[str, Any]
    writing: Mapping[str, Any]


class Watch(Protocol, Generic[V]):
    """Notices that somebody wrote."""

    async def begin(self) -> None:
        """Be ready to tell the version; asked before each reading. Raises ``StoreError``."""

    def version(self) -> V:
        """Tell one state of the database from any other, in microseconds.

        Raises ``StoreError`` where it is unknown whether somebody has written: fail closed.
        """

    def wrote(self) -> None:
        """Hear that this process has committed a write."""

    def outlived(self, seen: object, now: V) -> bool:
        """Say whether open connections may remember what is no longer so."""

    async def aclose(self) -> None:
        """Stop."""


class Database(Protocol):
    """One place where the policy is kept. Having one makes no connection."""

    @property
    def shown(self) -> str:
        """Its name for people and messages: without a password."""

    @property
    def path(self) -> Path | None:
        """Its file, if it is one."""

    @property
    def shared(self) -> bool:
        """Whether processes on other machines may use it too."""

    @property
    def engine(self) -> AsyncEngine:
        """Its pool of connections."""

    @property
    def transactions(self) -> Transactions:
        """How its transactions are begun."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What its driver raises; ``error`` says what it means."""

    def error(self, error: Exception) -> StoreError:
        """Say in one line what is wrong and what to do. Never quotes a value."""

    def prepare(self, connection: Connection, *, create: bool) -> None:
        """Check it before its tables are touched, in that transaction. Raises ``StoreError``."""

    def watch(self) -> Watch[Any]:
        """Begin to notice writes. Raises ``StoreError``."""


@asynccontextmanager
async def transaction(database: Database, options: Mapping[str, Any]) -> AsyncIterator[AsyncConnection]:
    """Commit at the end, roll back on any exception, and turn what the database says into ``StoreError``."""
    try:
        async with database.engine.execution_options(**options).begin() as connection:
            yield connection
    except database.failures as error:
        raise database.error(error) from error
    except ValueError as error:  # a row that makes no topic, JSON that is none, a pool that is closed
        raise StoreError(
            f"the database {database.shown} holds what Lethe did not write; put back a copy"
        ) from error
