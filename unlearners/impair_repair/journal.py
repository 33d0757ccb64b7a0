"""What an interrupted impair-repair has done already: tensors by phase, in one file. Knows no phases' meaning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from unlearners.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from unlearners.fields import field

__all__ = ["Journal"]


class Journal:
    """Tensors recorded by phase under one key; a file written under another key counts as empty.

    ``path`` None records nothing. The file is replaced whole after each phase.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self._path, self._key = path, key
        self._phases: dict[str, dict[str, Tensor]] = {}
        if path is not None and path.exists():
            self._read(path)

    def tensors(self, phase: str) -> dict[str, Tensor] | None:
        """Return what a finished phase recorded, on the CPU; None where it is not finished."""
        return self._phases.get(phase)

    def record(self, phase: str, tensors: Mapping[str, Tensor]) -> None:
        """Note that a phase is finished."""
        if self._path is None:
            return
        self._phases[phase] = {name: value.detach().cpu().clone() for name, value in tensors.items()}
        arrays = {
            f"{known}/{name}": value.numpy()
            for known, held in self._phases.items()
            for name, value in held.items()
        }
        write_checkpoint(self._path, Checkpoint(arrays, {"key": self._key, "phases": list(self._phases)}))

    def _read(self, path: Path) -> None:
        found = read_checkpoint(path)
        if field(found.record, "key", str) != self._key:
            return
        for name, array in found.arrays.items():
            phase, _, tensor = name.partition("/")
            self._phases.setdefault(phase, {})[tensor] = torch.from_numpy(array.copy())
