"""A database that is a SQLite file: how its connections behave, what its errors mean. Knows no tables.

For one machine, on which any number of processes may share the file.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.errors import StoreError
from gateway.store.database import Transactions
from gateway.store.watch import FileWatch, file_error

__all__ = ["SqliteFile", "sqlite_file"]

_WRITES: Final = {"lethe_writes": True}
"""Execution options of a transaction that will write: it takes SQLite's one write lock at its start."""


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A file and its pool of connections."""

    path: Path
    engine: AsyncEngine
    shared: ClassVar = False
    transactions: ClassVar = Transactions(opening=_WRITES, reading={}, writing=_WRITES)
    failures: ClassVar = (SQLAlchemyError, sqlite3.Error)

    @property
    def shown(self) -> str:
        """Its place, for people."""
        return str(self.path)

    def error(self, error: Exception) -> StoreError:
        """Say in one line what is wrong and what to do."""
        return file_error(error, self.path)

    def prepare(self, connection: Connection, *, create: bool) -> None:
        """Read every page once, so that damage is found now and not at some request. Raises ``StoreError``."""
        verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if verdict != "ok":
            raise StoreError(f"the database {self.path} is damaged; put back a whole copy")

    def watch(self) -> FileWatch:
        """Begin to notice writes. Raises ``StoreError``."""
        return FileWatch(self.path)


def sqlite_file(path: Path, *, create: bool, busy_timeout_s: float) -> SqliteFile:
    """Make ready to open a file; with ``create`` a missing one is made. Raises ``StoreError``."""
    _require_file(path, create=create)
    return SqliteFile(path, _make_engine(path, busy_timeout_s=busy_timeout_s))


def _require_file(path: Path, *, create: bool) -> None:
    """Make sure that there is a file to open. A new one is readable by its owner alone: topics are sensitive.

    SQLite gives its journal files the permissions of the database. Raises ``StoreError``.
    """
    if path.is_dir():
        raise StoreError(f"{path} is a directory; name a file in it")
    if not path.parent.is_dir():
        raise StoreError(f"there is no directory {path.parent}; create it, or name another database")
    if path.exists():
        return
    if not create:
        raise StoreError(f"there is no database {path}; check its name, or add a topic to begin one")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreError(f"the database {path} cannot be made: {error.strerror}") from error


def _make_engine(path: Path, *, busy_timeout_s: float) -> AsyncEngine:
    """Make the pool of connections, without opening one."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        connect_args={"timeout": busy_timeout_s},
        hide_parameters=True,  # an error's text must not quote a topic
        pool_size=2,
        max_overflow=2,
        pool_timeout=30,
    )
    event.listen(engine.sync_engine, "connect", _set_up)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _set_up(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",  # readers never wait for the writer
        "synchronous = FULL",  # every commit is on disk before it is acknowledged: writes are rare and matter
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # The driver alone would begin at the first row written: neither reads nor tables made would be covered.
    writes = connection.get_execution_options().get("lethe_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
