"""State that survives a crash: one file of arrays and a record, replaced whole or not at all. Knows no method."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearners.fields import object_in

__all__ = ["STAGING", "Checkpoint", "new_directory", "read_checkpoint", "write_checkpoint"]

RECORD = "record.json"
STAGING = "staging"
"""Where, in a work directory, an outcome is put together."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Named arrays, and a record that JSON can hold."""

    arrays: Mapping[str, NDArray[np.generic]]
    record: Mapping[str, object]


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file whole: a crash at any moment leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            record = np.frombuffer(json.dumps(dict(checkpoint.record), allow_nan=False).encode(), dtype=np.uint8)
            np.savez(file, allow_pickle=False, **{RECORD: record, **checkpoint.arrays})
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the file. Raises ``ValueError`` where it is not one, ``FileNotFoundError`` where there is none."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            record = object_in(stored[RECORD].tobytes().decode())
            arrays = {name: stored[name] for name in stored.files if name != RECORD}
    except FileNotFoundError:
        raise
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is not a checkpoint of this version: {error}") from None
    return Checkpoint(arrays, record)


@contextmanager
def new_directory(target: Path, work: Path | None = None) -> Iterator[Path]:
    """Fill a directory that appears under its name, and is on the disk, only when the block ends well.

    It is filled in ``work``, a directory on the same disk where the caller takes up or removes what a killed
    process left, else beside ``target``.
    Raises ``ValueError`` where ``target`` exists already: what is being served is never written over.
    """
    if target.exists():
        raise ValueError(f"{target} exists already; name a new directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    if work is not None:
        shutil.rmtree(work / STAGING, ignore_errors=True)
        (work / STAGING).mkdir()
    beside = target.parent if work is None else work / STAGING
    staging = Path(tempfile.mkdtemp(dir=beside, prefix=f".{target.name}."))
    try:
        yield staging
        _onto_disk(staging)
        os.rename(staging, target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _onto_disk(directory: Path) -> None:
    """Write files and directories through, deepest first, so that a name never comes before its content."""
    for path in sorted(directory.rglob("*"), reverse=True):
        _sync(path)
    _sync(directory)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
