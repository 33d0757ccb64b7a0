"""Low-rank updates of a chat model as PCMU trains them: one clipped gradient a unit. Knows no noise."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from unlearners.language.checkpoint import LanguageModel
from unlearners.language.encoding import Batch, batch_of, encode_dialogue
from unlearners.language.head import OfUnit
from unlearners.pcmu.codes import Array
from unlearners.pcmu.task import LOW_RANK, Alive, name_with_clip
from unlearners.protocol import Refused

__all__ = ["LoraTask", "SaidByUnits"]


@dataclass(frozen=True, slots=True, eq=False)
class SaidByUnits:
    """Dialogues by unit, as token ids: ``unlearners.data.Units``; ``width`` is the longest dialogue's tokens."""

    batches: tuple[Batch, ...]
    ids: tuple[str, ...]
    sha256: str

    @property
    def rows(self) -> int:
        """Return n, the number of units."""
        return len(self.ids)

    @property
    def width(self) -> int:
        """Return the tokens of the longest dialogue."""
        return max(batch.ids.shape[1] for batch in self.batches)

    def bounded(self) -> SaidByUnits:
        """Return it as it is: gradients are clipped, so that features need no bound."""
        return self


class LoraTask:
    """Updates B·A of rank ``rank`` on every linear layer whose name ends with one of ``targets``.

    A unit's loss is the mean over the tokens of its answers; its gradient in all A and B together is clipped at
    ``clip``. A starts at random from the seed, B at 0. The model works on ``device`` in 32 bits on a unit by
    itself, so that a gradient is the same bits whoever else is there; sums are made in 64 on the CPU. Raises
    ``Refused`` for fewer than two units, and ``ValueError`` where no layer is meant.
    """

    def __init__(
        self,
        language: LanguageModel,
        rows: Sequence[OfUnit],
        *,
        targets: Sequence[str] = ("q_proj", "v_proj"),
        rank: int = 2,
        clip: float = 1.0,
        device: torch.device | str = "cpu",
    ) -> None:
        if rank < 1 or not clip > 0:
            raise ValueError(f"needs a rank of at least 1 and a positive clip, got {rank} and {clip!r}")
        self.data = _said(language, rows, torch.device(device))
        self.clip = clip
        self.rank = rank
        self._language = language
        model: nn.Module = copy.deepcopy(language.model)
        self._device = torch.device(device)
        self._model = model.to(self._device).eval()
        self._model.requires_grad_(requires_grad=False)
        self._layers = {
            f"{name}.weight": layer.weight
            for name, layer in self._model.named_modules()
            if isinstance(layer, nn.Linear) and name.endswith(tuple(targets))
        }
        if not self._layers:
            raise ValueError(f"the model has no linear layer called {' or '.join(targets)}")
        self.size = sum(rank * sum(layer.shape) for layer in self._layers.values())
        self.name = name_with_clip(f"{LOW_RANK} ({rank}) of {_digest(self._layers)}", float(clip))

    def start(self, seed: int) -> Array:
        """Return A of variance 1/inputs and B = 0, for each layer in turn."""
        rng = np.random.default_rng(seed)
        parts = []
        for layer in self._layers.values():
            outputs, inputs = layer.shape
            parts += [rng.standard_normal(self.rank * inputs) / inputs**0.5, np.zeros(outputs * self.rank)]
        return np.concatenate(parts)

    def gradients(self, weights: Array) -> Array:
        """Return every unit's clipped gradient, shape (n, p)."""
        return np.stack([self._gradient(weights, unit) for unit in range(self.data.rows)])

    def mean_gradient(self, weights: Array, alive: Alive) -> Array:
        """Return the mean over the living units, one at a time."""
        total = np.zeros(self.size)
        for unit in np.flatnonzero(alive):
            total += self._gradient(weights, int(unit))
        return total / int(alive.sum())

    def loss(self, weights: Array, unit: int) -> float:
        """Return the mean cross-entropy of a unit's answers."""
        with torch.no_grad():
            return float(self._loss(self._flat(weights), self.data.batches[unit]))

    def merged(self, weights: Array) -> LanguageModel:
        """Return the model with the updates added to its weights."""
        model = copy.deepcopy(self._language.model)
        moved = model.state_dict()
        for name, update in self._updates(self._flat(weights)).items():
            moved[name] += update.to(moved[name])
        return replace(self._language, model=model)

    def _flat(self, weights: Array) -> Tensor:
        return torch.from_numpy(weights).float().to(self._device)

    def _gradient(self, weights: Array, unit: int) -> Array:
        flat = self._flat(weights).requires_grad_()
        (found,) = torch.autograd.grad(self._loss(flat, self.data.batches[unit]), flat)
        gradient: Array = found.cpu().double().numpy()
        norm = float(np.linalg.norm(gradient))
        return gradient * (self.clip / norm) if norm > self.clip else gradient

    def _loss(self, flat: Tensor, batch: Batch) -> Tensor:
        weights = {name: self._layers[name] + update for name, update in self._updates(flat).items()}
        asked = {"input_ids": batch.ids, "attention_mask": batch.real, "use_cache": False}
        logits: Any = functional_call(self._model, weights, (), asked).logits
        said = batch.said[:, 1:]
        return nn.functional.cross_entropy(logits[:, :-1][said], batch.ids[:, 1:][said])

    def _updates(self, flat: Tensor) -> dict[str, Tensor]:
        updates, place = {}, 0
        for name, layer in self._layers.items():
            outputs, inputs = layer.shape
            middle, end = place + self.rank * inputs, place + self.rank * (inputs + outputs)
            down, up = flat[place:middle], flat[middle:end]
            updates[name] = up.view(outputs, self.rank) @ down.view(self.rank, inputs)
            place = end
        return updates


def _said(language: LanguageModel, rows: Sequence[OfUnit], device: torch.device) -> SaidByUnits:
    by_unit: dict[str, list[OfUnit]] = {}
    for row in rows:
        by_unit.setdefault(row.unit, []).append(row)
    if len(by_unit) < 2:
        raise Refused("there are at least two units, so that one can be deleted", f"there is {len(by_unit)}")
    encoded = [
        [encode_dialogue(language.tokenizer, one.dialogue, language.context) for one in unit]
        for unit in by_unit.values()
    ]
    ids = json.dumps([[(one.ids, one.answered) for one in unit] for unit in encoded])
    batches = tuple(batch_of(unit, device) for unit in encoded)
    return SaidByUnits(batches, tuple(by_unit), hashlib.sha256(ids.encode()).hexdigest())


def _digest(layers: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(repr(sorted(layers)).encode())
    for layer in layers.values():
        digest.update(layer.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
