"""Opening a database: where it is, how its connections behave, what its errors mean. Knows no tables."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.errors import InvalidInput, StoreError

__all__ = ["WRITES", "database_path", "make_engine", "require_file", "store_error"]

WRITES = {"lethe_writes": True}
"""Execution options of a transaction that will write: it takes SQLite's one write lock at its start."""

_ADVICE = {
    sqlite3.SQLITE_BUSY: "the database {path} is locked by another program; close it, or try again",
    sqlite3.SQLITE_LOCKED: "the database {path} is locked by another program; close it, or try again",
    sqlite3.SQLITE_CORRUPT: "the database {path} is damaged; put back a whole copy",
    sqlite3.SQLITE_NOTADB: "{path} is not a SQLite database; name another file, or put back a whole copy",
    sqlite3.SQLITE_READONLY: "the database {path} may not be written; check its and its directory's mode",
    sqlite3.SQLITE_PERM: "the database {path} may not be opened; check its mode",
    sqlite3.SQLITE_CANTOPEN: "the database {path} cannot be opened; check its and its directory's mode",
    sqlite3.SQLITE_FULL: "the disk that holds the database {path} is full; make room",
    sqlite3.SQLITE_IOERR: "the disk that holds the database {path} fails, or the file has gone",
}


def database_path(url_or_path: str | Path) -> Path:
    """Read the file's place from a path, ``sqlite:///PATH`` or ``sqlite+aiosqlite:///PATH``.

    Raises ``InvalidInput`` for any other URL, and for a database in memory, which a restart would lose.
    """
    text = str(url_or_path)
    if "://" in text:
        text = _path_of_url(text)
    if text in ("", ":memory:"):
        raise InvalidInput("the database must be a file, so that a restart loses nothing", param="database")
    return Path(text).expanduser().absolute()


def _path_of_url(url: str) -> str:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput("the database URL cannot be read; write sqlite:///PATH", param="database") from error
    if parsed.get_backend_name() != "sqlite" or parsed.query:
        raise InvalidInput("the database URL must be sqlite:///PATH, without options", param="database")
    return parsed.database or ""


def require_file(path: Path, *, create: bool) -> None:
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


def make_engine(path: Path, *, busy_timeout_s: float) -> AsyncEngine:
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


def store_error(error: Exception, path: Path) -> StoreError:
    """Say in one line what is wrong with the database and what to do. Never quotes a value."""
    cause = error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(code, int) and (code & 0xFF) in _ADVICE:  # the low byte is the primary result code
        return StoreError(_ADVICE[code & 0xFF].format(path=path))
    return StoreError(f"the database {path} cannot be used ({type(cause).__name__}); look at the file")
