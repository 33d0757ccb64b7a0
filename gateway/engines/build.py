"""What a process computes with: its copy of Lethe, and the versions of what decides answers and scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

__all__ = ["Build", "difference", "this_build"]

_PACKAGES: Final = ("calibration", "evaluation", "gateway", "verifiers")
_DECIDING: Final = (
    "anyascii numpy onnxruntime pyahocorasick rapidfuzz scikit-learn scipy tokenizers torch transformers".split()
)


@dataclass(frozen=True, slots=True)
class Build:
    """``code`` fingerprints Lethe's own files; ``versions`` are those of the libraries that it has, by name."""

    code: str
    versions: Mapping[str, str]


@cache
def this_build() -> Build:
    """Look at this process's own."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            for file in sorted(Path(folder).rglob("*.py")):
                name = f"{package}/{file.relative_to(folder).as_posix()}"
                digest.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return Build(digest.hexdigest()[:16], {name: found for name in _DECIDING if (found := _version(name))})


def difference(here: Build, there: Build) -> str:
    """Say how another process's build differs, as far as it could answer or judge otherwise; "" where it does not.

    A library that one of them lacks is no difference: what needs it fails where it is missing.
    """
    if here.code != there.code:
        return f"another Lethe (its files have the fingerprint {there.code}, these {here.code})"
    both = here.versions.keys() & there.versions.keys()
    found = [name for name in sorted(both) if here.versions[name] != there.versions[name]]
    return ", ".join(f"{name} {there.versions[name]} in place of {here.versions[name]}" for name in found)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
