"""A chat model as frozen features of norm 1 and a next-token head on them. Knows no unlearner and no noise.

The backbone and its own head are public: they must never have learned what the head is to be able to forget.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from transformers import PreTrainedModel

from unlearners.bags import Bags
from unlearners.fields import object_in, optional
from unlearners.language.checkpoint import LanguageModel, load_language_model
from unlearners.language.dialogues import Dialogue, read_dialogues
from unlearners.language.encoding import encode_dialogue
from unlearners.language.hidden_states import hidden_states
from unlearners.protocol import Progress, Refused, silent

__all__ = ["Headed", "OfUnit", "bags_of", "load_headed", "read_units", "with_head"]

FOLDED = "the final norm's weights can be moved into the head, so that the features have norm at most 1"
TOLERANCE = 1e-3
"""How much a logit may move by the rounding of that."""


@dataclass(frozen=True, slots=True, eq=False)
class Headed:
    """A chat model whose last hidden states have norm at most 1, and its public head (vocabulary, width)."""

    language: LanguageModel
    public: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OfUnit:
    """A dialogue and the unit that it is forgotten with, such as a person."""

    unit: str
    dialogue: Dialogue


def load_headed(backbone: Path, device: torch.device | str = "cpu") -> Headed:
    """Load a checkpoint and move its final norm's weights into a head of its own: the same logits as before.

    Raises ``Refused`` for a model that is not built so (a final RMS norm, then a linear head without bias).
    """
    language = load_language_model(backbone, device)
    old = language.model
    norm, head = getattr(_base(old), "norm", None), _head(old)
    if norm is None or type(head) is not torch.nn.Linear or getattr(head, "bias", None) is not None:
        raise Refused(FOLDED, f"a {type(old).__name__} has no final norm followed by a plain linear head")
    width = head.weight.shape[1]
    folded = head.weight.detach() * norm.weight.detach() * math.sqrt(width)
    new = _untied(old, folded)
    _base(new).norm.weight.data.fill_(1 / math.sqrt(width))
    _check_same(old, new, folded)
    return Headed(replace(language, model=new), folded.double().cpu().numpy())


def with_head(headed: Headed, weights: NDArray[np.floating[Any]]) -> LanguageModel:
    """Return the model with another head; ``headed`` keeps its own."""
    return replace(headed.language, model=_untied(headed.language.model, torch.from_numpy(weights)))


def read_units(path: Path) -> tuple[OfUnit, ...]:
    """Read dialogues (see ``read_dialogues``) with the ``unit`` that each line names.

    Where no line names one, each dialogue is a unit by itself, named by its own id. Raises ``ValueError`` where
    some lines name one and others do not: a person would be forgotten in part.
    """
    dialogues = read_dialogues(path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    named = [
        (number, optional(object_in(line), "unit", str)) for number, line in enumerate(lines, 1) if line.strip()
    ]
    unnamed = [number for number, unit in named if unit is None]
    if unnamed and len(unnamed) < len(named):
        raise ValueError(
            f"{path}, line {unnamed[0]}: no 'unit' is named, and other lines name one; a dialogue without "
            "would not be forgotten with its person's"
        )
    return tuple(
        OfUnit(one.id if unit is None else unit, one) for (_, unit), one in zip(named, dialogues, strict=True)
    )


def bags_of(
    headed: Headed,
    rows: Sequence[OfUnit],
    progress: Progress = silent,
    *,
    accelerator: Accelerator | None = None,
    batch: int | None = None,
) -> Bags:
    """Return the features that predict each token of the answers, by unit, in the order of first appearance.

    On the model's device; the processes of ``accelerator`` share the dialogues, and all get all. A unit depends on
    its own dialogues alone (see ``hidden_states``). Raises ``ValueError`` for a dialogue that the model cannot
    take, and ``Refused`` where there is none.
    """
    if not rows:
        raise Refused("there is at least one dialogue", "the data have none")
    ids = tuple(dict.fromkeys(row.unit for row in rows))
    numbers = {name: number for number, name in enumerate(ids)}
    language = headed.language
    encoded = [encode_dialogue(language.tokenizer, row.dialogue, language.context) for row in rows]

    def before_answer(place: int, states: torch.Tensor) -> torch.Tensor:
        return states[-len(encoded[place].answer) :]

    asked = [one.ids[:-1] for one in encoded]
    features = hidden_states(
        _base(language.model), asked, before_answer, accelerator=accelerator, batch=batch, progress=progress
    )
    labels = [token for one in encoded for token in one.answer]
    units = [numbers[row.unit] for row, one in zip(rows, encoded, strict=True) for _ in one.answer]
    return Bags(np.concatenate(features), np.array(labels), np.array(units), len(headed.public), ids)


def _untied(old: PreTrainedModel, head: torch.Tensor) -> PreTrainedModel:
    """Return a copy of the model with this head, which is no longer the input embeddings' too."""
    config = copy.deepcopy(old.config)
    config.tie_word_embeddings = False
    new: Any = type(old)(config)
    new.load_state_dict(old.state_dict())
    new.to(device=old.device, dtype=old.dtype).eval()
    _head(new).weight.data.copy_(head)
    untied: PreTrainedModel = new
    return untied


def _base(model: PreTrainedModel) -> Any:
    return model.base_model


def _head(model: PreTrainedModel) -> Any:
    return model.get_output_embeddings()  # type: ignore[no-untyped-call]  # transformers leaves it untyped


def _check_same(old: PreTrainedModel, new: PreTrainedModel, folded: torch.Tensor) -> None:
    """Refuse a model whose logits are not the head times the features, in which something else scales them."""
    ids = torch.arange(8, device=old.device)[None] % old.config.vocab_size
    with torch.inference_mode():
        before, after = old(input_ids=ids).logits, _base(new)(input_ids=ids).last_hidden_state @ folded.T
    moved = float((before - after).abs().max() / before.abs().max())
    if not moved <= TOLERANCE:
        raise Refused(FOLDED, f"a {type(old).__name__}'s logits would move by {moved:.1%}")
