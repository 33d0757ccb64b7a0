"""Descents in torch: where arrays are put for that, in 64 bits. Knows no loss and no method."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unlearners.arrays import Put, in_memory

__all__ = ["on_device", "place_for"]

IN_NUMPY = ("cpu", "mps")
"""On a CPU NumPy is as good as torch; Apple's GPUs have no numbers of 64 bits."""


def on_device(device: torch.device) -> Put:
    """Return what brings arrays to a device as tensors, each with its type of number."""
    return partial(_put, device)


def place_for(device: torch.device) -> Put:
    """Return where to run a descent of 64 bits: on the device, or in NumPy where that is as good or has to be."""
    return in_memory if device.type in IN_NUMPY else on_device(device)


def _put(device: torch.device, values: NDArray[Any]) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(values), device=device)
