"""A checkpoint directory's fingerprint, from its files alone: what its answers depend on. Knows no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from gateway.errors import InvalidInput

__all__ = ["checkpoint_fingerprint"]

_ANSWERING: Final = (
    *("*.safetensors", "*.bin", "*.model", "*.jinja", "config.json", "generation_config.json"),
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt"),
)
"""The files of a checkpoint that its answers depend on; each matches one pattern at most."""
_DECODING_VERSION: Final = b"1"  # raise it whenever decoding could answer otherwise


def checkpoint_fingerprint(path: Path) -> str:
    """Hash the weights, the tokenizer, their configuration and the version of decoding.

    Reads every byte of the weights. Raises ``InvalidInput`` where there is no checkpoint or it cannot be read.
    """
    if not (path / "config.json").is_file():
        raise InvalidInput(f"There is no model at {path}: a checkpoint directory has a config.json.")
    digest = hashlib.sha256(_DECODING_VERSION)
    try:
        for file in sorted(file for pattern in _ANSWERING for file in path.glob(pattern)):
            digest.update(file.name.encode())
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    except OSError as error:
        raise InvalidInput(f"The checkpoint at {path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()[:16]
