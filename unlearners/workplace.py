"""The work directory beside an outcome: ours alone, locked, its request removed last. Knows no method."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["LOCK", "REQUEST", "cleared", "locked", "work_beside"]

REQUEST = "request.json"
LOCK = "lock"


def work_beside(out: Path) -> Path:
    """Return the work directory for an outcome, which may not exist."""
    return out.parent / f".{out.name}.work"


@contextmanager
def locked(work: Path) -> Iterator[None]:
    """Hold the directory, made where there is none, against other processes.

    Raises ``ValueError`` where another is at work in it, or where it is a link or belongs to another user: what
    is written there holds secrets.
    """
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = work.lstat()
    if work.is_symlink() or found.st_uid != os.geteuid():
        raise ValueError(f"{work} is a link or belongs to another user; remove it, or name another outcome")
    try:
        handle = os.open(work / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ValueError(f"cannot lock {work}: {error.strerror}; remove it to give its request up") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another process is at work on this request, in {work}; wait for it") from None
        yield
    finally:
        os.close(handle)


def cleared(work: Path) -> None:
    """Remove the directory, which the caller holds: its request last, so that a crash leaves it to be tidied."""
    for path in work.iterdir():
        if path.name in (REQUEST, LOCK):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for name in (REQUEST, LOCK):
        (work / name).unlink(missing_ok=True)
    work.rmdir()
