"""Noticing that somebody wrote to a SQLite file, cheaply enough to ask at every request. Knows no tables."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import StoreError

__all__ = ["FileVersion", "FileWatch", "file_error"]

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


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What tells one state of the database from another: SQLite's own count, and the file's time and size.

    The file alone changes when SQLite moves its journal into it, and when somebody copies another database
    over it, which SQLite's count does not show.
    """

    written: int
    modified_ns: int
    size_bytes: int


class FileWatch:
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

    def version(self) -> FileVersion:
        """Tell the database's present version. Raises ``StoreError`` when it is gone, replaced or locked."""
        try:
            found = os.stat(self._path)
            if (found.st_dev, found.st_ino) != self._identity:
                raise StoreError(f"the database {self._path} was replaced; restart the gateway")
            written = int(self._connection.execute("PRAGMA data_version").fetchall()[0][0])
            return FileVersion(written, found.st_mtime_ns, found.st_size)
        except (OSError, sqlite3.Error) as error:
            raise _unusable(error, self._path) from error

    async def begin(self) -> None:
        """Do nothing: looking at the file is enough."""

    def wrote(self) -> None:
        """Do nothing: SQLite counts the writes of the other connections of this process too."""

    def outlived(self, seen: object, now: FileVersion) -> bool:
        """Say whether the file changed under SQLite's feet: what connections remember is old then."""
        return isinstance(seen, FileVersion) and seen.written == now.written

    async def aclose(self) -> None:
        """Close the connection."""
        self._connection.close()


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _unusable(error: Exception, path: Path) -> StoreError:
    if isinstance(error, OSError):
        return StoreError(f"the database {path} has gone; put it back and restart the gateway")
    return file_error(error, path)


def file_error(error: Exception, path: Path) -> StoreError:
    """Say in one line what is wrong with the file and what to do. Never quotes a value."""
    cause = error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error
    code = getattr(cause, "sqlite_errorcode", None)
    if isinstance(code, int) and (code & 0xFF) in _ADVICE:  # the low byte is the primary result code
        return StoreError(_ADVICE[code & 0xFF].format(path=path))
    return StoreError(f"the database {path} cannot be used ({type(cause).__name__}); look at the file")
