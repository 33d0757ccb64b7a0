"""A checkpoint directory's fingerprint, from its files alone: what its answers depend on. Knows no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

from gateway.errors import InvalidInput

__all__ = ["checkpoint_fingerprint"]

ANSWERING: Final = frozenset({".safetensors", ".bin", ".pt", ".model", ".jinja", ".json", ".txt", ".py"})
"""What the files end in that answers can depend on, wherever in the directory they are."""
ABOUT: Final = frozenset({"unlearning.json", "measured.json", "lethe.json"})
"""What is said about a checkpoint, and is no part of it."""
_DECODING_VERSION: Final = b"2"  # raise it whenever decoding could answer otherwise


def checkpoint_fingerprint(path: Path) -> str:
    """Hash the weights, the tokenizer, their configuration and the version of decoding.

    Reads every byte of the weights. Raises ``InvalidInput`` where there is no checkpoint or it cannot be read.
    """
    if not (path / "config.json").is_file():
        raise InvalidInput(f"There is no model at {path}: a checkpoint directory has a config.json.")
    digest = hashlib.sha256(_DECODING_VERSION)
    try:
        _check_within(path)
        for file in sorted(path.rglob("*")):
            if file.suffix not in ANSWERING or file.name in ABOUT or not file.is_file():
                continue
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    except OSError as error:
        raise InvalidInput(f"The checkpoint at {path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()[:16]


def _check_within(path: Path) -> None:
    """Refuse an index of weights that names files elsewhere, whose change nobody would see."""
    for index in path.glob("*.index.json"):
        try:
            named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            outside = [name for name in named if ".." in Path(name).parts or Path(name).is_absolute()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(f"The index {index.name} of the checkpoint at {path} cannot be read.") from error
        if outside:
            raise InvalidInput(f"The index {index.name} names files outside of {path}; put them into it.")
