"""What a frozen model makes of texts, in batches, on any device, by several processes. Knows no unlearner.

A text's hidden states depend on the text alone, whatever is encoded beside it: the shape of the batch that it is
computed in follows from its own length, and rows of a batch do not meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearners.language.processes import in_turns
from unlearners.protocol import Progress, silent

__all__ = ["Kept", "batch_for", "hidden_states"]

BATCH = 16
"""Texts at once on an accelerator. On a CPU they come singly, so that nothing but a text is in its features."""

STEP = 16
"""In batches, lengths are rounded up to a multiple of this."""

Kept: TypeAlias = Callable[[int, Tensor], Tensor]
"""What is kept of a text, given its place and its last hidden states (tokens, width)."""


@dataclass(frozen=True, slots=True)
class _Together:
    """Places of texts are computed side by side, in ``rows`` rows of ``length`` tokens, some perhaps empty."""

    places: tuple[int, ...]
    length: int
    rows: int


def batch_for(device: torch.device) -> int:
    """Return how many texts a batch has on this device: a constant, since rounding may depend on it."""
    return 1 if device.type == "cpu" else BATCH


def hidden_states(
    model: nn.Module,
    tokens: Sequence[Sequence[int]],
    kept: Kept,
    *,
    accelerator: Accelerator | None = None,
    batch: int | None = None,
    progress: Progress = silent,
) -> list[NDArray[np.float64]]:
    """Return what is kept of each text, in order, in each of the processes, which share the batches.

    The same bits for any number of processes with the same kind of device, library and threads. ``batch`` None is
    ``batch_for`` the model's device. Raises ``ValueError`` for a text without tokens.
    """
    for number, ids in enumerate(tokens):
        if not ids:
            raise ValueError(f"text {number} has no tokens")
    model.eval()
    device = next(model.parameters()).device
    size = batch_for(device) if batch is None else batch
    cut = _cut([len(ids) for ids in tokens], size, getattr(model.config, "max_position_embeddings", None))
    processes = 1 if accelerator is None else accelerator.num_processes
    done = 0

    def work(part: _Together) -> list[NDArray[np.float64]]:
        nonlocal done
        states = _states(model, [tokens[place] for place in part.places], part, device)
        wanted = [
            kept(place, state).cpu().double().numpy() for place, state in zip(part.places, states, strict=True)
        ]
        done += 1
        progress("features", done, len(range(0, len(cut), processes)))
        return wanted

    parts = in_turns(accelerator, cut, work)
    found = [
        item for part, states in zip(cut, parts, strict=True) for item in zip(part.places, states, strict=True)
    ]
    return [states for _, states in sorted(found, key=lambda numbered: numbered[0])]


def _cut(lengths: Sequence[int], batch: int, context: int | None) -> list[_Together]:
    """Put texts of about the same length together, whatever the number of processes."""
    if batch == 1:
        return [_Together((place,), length, 1) for place, length in enumerate(lengths)]
    alike: dict[int, list[int]] = {}
    for place, length in enumerate(lengths):
        rounded = -(-length // STEP) * STEP
        alike.setdefault(rounded if context is None else max(length, min(rounded, context)), []).append(place)
    return [
        _Together(tuple(places[start : start + batch]), length, batch)
        for length, places in alike.items()
        for start in range(0, len(places), batch)
    ]


def _states(
    model: nn.Module, tokens: Sequence[Sequence[int]], part: _Together, device: torch.device
) -> list[Tensor]:
    ids = torch.zeros((part.rows, part.length), dtype=torch.long)
    real = torch.zeros_like(ids)
    for row, one in enumerate(tokens):
        ids[row, : len(one)] = torch.tensor(list(one))
        real[row, : len(one)] = 1
    real[len(tokens) :, 0] = 1  # a row that fills the batch up looks at one token: no mask is all zeros
    asked = {"input_ids": ids.to(device)} | ({} if part.rows == 1 else {"attention_mask": real.to(device)})
    with torch.inference_mode():
        hidden = model(**asked).last_hidden_state
    return [hidden[row, : len(one)] for row, one in enumerate(tokens)]
