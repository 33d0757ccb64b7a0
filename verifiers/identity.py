"""Fingerprints of verifiers: everything that their scores depend on, hashed. Knows no topics."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from importlib.metadata import version

__all__ = ["fingerprint_of"]


def fingerprint_of(name: str, revision: str, **parameters: float | str | list[str]) -> str:
    """Hash a verifier's name, the revision of its rules, its parameters, and the Unicode data it folds by."""
    parts = [name, revision, parameters, unicodedata.unidata_version, version("anyascii")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
