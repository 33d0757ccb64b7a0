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

__all__ = ["Checkpoint", "new_directory", "read_checkpoint", "write_checkpoint"]

RECORD = "record.json"


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
def new_directory(target: Path) -> Iterator[Path]:
    """Fill a directory that appears under its name only when the block ends well.

    Raises ``ValueError`` where ``target`` exists already: what is being served is never written over.
    """
    if target.exists():
        raise ValueError(f"{target} exists already; name a new directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        yield staging
        os.rename(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
