"""Noticing that somebody wrote to the database, cheaply enough to ask at every request. Knows no tables."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreError
from gateway.store.engine import store_error

__all__ = ["Version", "Watch"]


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one state of the database from another: SQLite's own count, and the file's time and size.

    The file alone changes when SQLite moves its journal into it, and when somebody copies another database
    over it, which SQLite's count does not show.
    """

    written: int
    modified_ns: int
    size_bytes: int


class Watch:
    """A connection that only ever asks for SQLite's ``data_version``.

    That number differs from the last one exactly when another connection, of this process or any other, has
    committed in between. A file that was deleted or replaced goes unnoticed by SQLite, which keeps reading
    the old one, so the file's identity is compared as well.
    """

    def __init__(self, path: Path) -> None:
        """Open the file. Raises ``StoreError``."""
        self._path = path
        try:
            self._identity = _identity(path)
            # The event loop waits while a lock is held, so wait briefly. Used from one thread at a time.
            self._connection = sqlite3.connect(path, timeout=0.05, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(error, path) from error

    def version(self) -> Version:
        """Tell the database's present version. Raises ``StoreError`` when it is gone, replaced or locked."""
        try:
            found = os.stat(self._path)
            if (found.st_dev, found.st_ino) != self._identity:
                raise StoreError(f"the database {self._path} was replaced; restart the gateway")
            written = int(self._connection.execute("PRAGMA data_version").fetchall()[0][0])
            return Version(written, found.st_mtime_ns, found.st_size)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(error, self._path) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _unusable(error: Exception, path: Path) -> StoreError:
    if isinstance(error, OSError):
        return StoreError(f"the database {path} has gone; put it back and restart the gateway")
    return store_error(error, path)
