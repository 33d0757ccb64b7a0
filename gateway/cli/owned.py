"""Writing a file that only its owner may read, since it may hold what is to be forgotten. Knows no command."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.errors import InvalidInput

__all__ = ["write_owned"]


def write_owned(path: Path, text: str) -> None:
    """Write it whole or not at all. Raises ``InvalidInput`` where that cannot be."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(text)
        os.replace(partial, path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error
