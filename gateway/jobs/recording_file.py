"""A trajectories file of a job: made of the lines that the database has, and read for new ones. Knows no jobs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Tail", "recording_file"]


@contextmanager
def recording_file(lines: Sequence[str]) -> Iterator[Path]:
    """Give a file of these lines that only this user can read, and that is gone after the block.

    On Linux it is in memory alone, so that kill -9 leaves nothing of the answers behind; elsewhere it is a
    temporary file.
    """
    if sys.platform == "linux":
        descriptor = os.memfd_create("lethe-calibration")
        try:
            yield _filled(Path(f"/proc/self/fd/{descriptor}"), lines)
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory(prefix="lethe-") as folder:
            path = Path(folder) / "trajectories.jsonl"
            path.touch(mode=0o600)
            yield _filled(path, lines)


def _filled(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


class Tail:
    """Reads what was added to a file since the last look, whole lines alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = path.stat().st_size

    def new(self) -> tuple[str, ...]:
        """Give the lines that were added, without their ends; each once."""
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return tuple(whole.decode("utf-8").split("\n")[:-1])
