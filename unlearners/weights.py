"""Which published weights a certificate is about: their digest in it, and its check. Knows no method, no torch."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from unlearners.certificate import UnlearningCertificate, sealed
from unlearners.recomputation import WEIGHTS

__all__ = ["MODEL", "TABLE", "check_weights", "with_weights"]

TABLE = "weights.npz"
"""The weights of a head on rows."""
MODEL = "model"
"""The checkpoint to serve, in a run's directory; what lies beside it stays private."""

SUFFIXES = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf"})


def with_weights(certificate: UnlearningCertificate, directory: Path) -> UnlearningCertificate:
    """Bind the certificate to the weights written into a directory. Raises ``ValueError`` where there are none."""
    digest = _digest(directory)
    return sealed(replace(certificate, parameters={**certificate.parameters, WEIGHTS: digest}))


def check_weights(certificate: UnlearningCertificate, directory: Path) -> tuple[str, ...]:
    """Return why the weights in a directory (a run's, or a checkpoint) are not those certified, if they are not.

    Never raises for a certificate that was decoded.
    """
    if not (named := certificate.parameters.get(WEIGHTS)):
        return ("the certificate does not say which weights it is about",)
    try:
        found = _digest(directory)
    except (OSError, ValueError) as error:
        return (f"the weights cannot be compared: {error}",)
    return () if found == named else (f"the weights in {directory} are not those that were certified",)


def _digest(directory: Path) -> str:
    if (directory / TABLE).is_file():
        return _digest_of_arrays(directory / TABLE)
    where = directory / MODEL if (directory / MODEL).is_dir() else directory
    files = sorted(file for file in where.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise ValueError(f"{directory} holds no weights")
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _digest_of_arrays(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            for name in sorted(stored.files):
                values = stored[name]
                digest.update(f"{name} {values.dtype.str} {values.shape}\0".encode())
                digest.update(np.ascontiguousarray(values).tobytes())
    except (AttributeError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no file of arrays: {error}") from None
    return digest.hexdigest()
