"""A request that is being served: written down before the work, removed after it. Knows no method and no model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from unlearners.fields import field, object_in
from unlearners.language.settings import Setting
from unlearners.workplace import REQUEST, cleared, locked, work_beside

__all__ = ["Pending", "pending_request", "work_beside", "working_directory"]


@dataclass(frozen=True, slots=True)
class Pending:
    """All that decides the outcome: method, settings and seed, and digests of the model and of both sets."""

    method: str
    model: str
    forget: str
    retain: str
    settings: Mapping[str, Setting]
    seed: int

    @property
    def key(self) -> str:
        """A digest of the request."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def pending_request(out: Path) -> Pending | None:
    """Return the request whose outcome was to appear at ``out``, or None where none waits.

    Raises ``ValueError`` where its file cannot be read.
    """
    path = work_beside(out) / REQUEST
    try:
        source = object_in(path.read_text(encoding="utf-8"))
        return Pending(
            field(source, "method", str),
            field(source, "model", str),
            field(source, "forget", str),
            field(source, "retain", str),
            field(source, "settings", dict),
            field(source, "seed", int),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}; remove its directory to give the request up") from None


@contextmanager
def working_directory(out: Path, request: Pending) -> Iterator[Path]:
    """Hold ``.NAME.work`` beside ``out``, the request in it; it is removed when the block ends well.

    After a crash it stays, and the same request finds what was recorded there; a ``ValueError`` from the block,
    which would come again, gives the request up. Raises ``ValueError`` where another request is pending, or
    another process is at work on this one.
    """
    directory = work_beside(out)
    before = pending_request(out)
    if before is not None and before != request:
        raise ValueError(
            f"another request ({before.method}) is pending at {directory}: run the same command as then to "
            f"finish it, or remove that directory to give it up"
        )
    with locked(directory):
        if before is None:
            _write(directory / REQUEST, request)
        try:
            yield directory
        except ValueError:
            cleared(directory)
            raise
        cleared(directory)


def _write(path: Path, request: Pending) -> None:
    """Write the file whole or not at all."""
    staged = path.with_suffix(".new")
    with staged.open("w", encoding="utf-8") as file:
        json.dump(asdict(request), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)
