"""From what an operator writes to the database that it names. Knows no tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from gateway.errors import InvalidInput
from gateway.store.database import Database
from gateway.store.sqlite import sqlite_file

__all__ = ["database_at", "database_path"]

_SERVERS: Final = ("postgresql://", "postgres://", "postgresql+asyncpg://")


def database_at(url_or_path: str | Path, *, create: bool, busy_timeout_s: float, grace_s: float) -> Database:
    """Make ready to open the database; with ``create`` a missing file is made, but no directory.

    ``busy_timeout_s`` is how long a write waits for another's; ``grace_s`` how long what a server said last is
    believed. Raises ``InvalidInput`` for what names none, ``StoreError`` for a file that cannot be used.
    """
    text = str(url_or_path)
    if not text.startswith(_SERVERS):
        return sqlite_file(database_path(url_or_path), create=create, busy_timeout_s=busy_timeout_s)
    # The driver is an optional extra: one machine needs none.
    try:
        from gateway.store.postgres import postgres_server
    except ImportError as error:
        raise InvalidInput(
            f"a PostgreSQL database needs the extra `postgres`, which is not installed ({error}): "
            "pip install 'lethe-gateway[postgres]'",
            param="database",
        ) from error
    dsn = "postgresql://" + text.partition("://")[2]
    return postgres_server(dsn, busy_timeout_s=busy_timeout_s, grace_s=grace_s)


def database_path(url_or_path: str | Path) -> Path:
    """Read a file's place from a path, ``sqlite:///PATH`` or ``sqlite+aiosqlite:///PATH``.

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
        raise InvalidInput(f"the database URL cannot be read; {_FORMS}", param="database") from error
    if parsed.get_backend_name() != "sqlite" or parsed.query:
        raise InvalidInput(f"this database URL cannot be used; {_FORMS}", param="database")
    return parsed.database or ""


_FORMS: Final = "write sqlite:///PATH, without options, or postgresql://USER@HOST/DATABASE"
