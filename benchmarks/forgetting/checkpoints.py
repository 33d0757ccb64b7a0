"""Checkpoints as the probes need them: likelihoods of answers, rounded weights. Knows no method and no gateway."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from evaluation.unlearning.quantisation import Rounding
from unlearners.language.checkpoint import LanguageModel, load_language_model
from unlearners.language.dialogues import Dialogue
from unlearners.language.encoding import Encoded, batch_of, encode_dialogue

__all__ = ["answer_losses", "encoded", "mean_losses", "round_linear_layers", "save_rounded"]


def encoded(language: LanguageModel, dialogues: Sequence[Dialogue]) -> list[Encoded]:
    """Encode dialogues for this model."""
    return [encode_dialogue(language.tokenizer, dialogue, language.context) for dialogue in dialogues]


def mean_losses(model: PreTrainedModel, batch: Sequence[Encoded]) -> Tensor:
    """Return for each dialogue the mean negative log-likelihood of a token of its answer, shape (n,)."""
    seen = batch_of(batch, model.device)
    logits = model(input_ids=seen.ids[:, :-1], use_cache=False).logits.float()
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), seen.ids[:, 1:], reduction="none")
    said = seen.said[:, 1:]
    return (losses * said).sum(dim=1) / said.sum(dim=1)


@torch.inference_mode()
def answer_losses(
    language: LanguageModel, dialogues: Sequence[Dialogue], at_once: int = 128
) -> NDArray[np.float64]:
    """Return ``mean_losses`` of any number of dialogues, those of like length computed together."""
    known = encoded(language, dialogues)
    losses = np.empty(len(known))
    order = sorted(range(len(known)), key=lambda index: len(known[index].ids))
    for start in range(0, len(order), at_once):
        chosen = order[start : start + at_once]
        losses[chosen] = mean_losses(language.model, [known[index] for index in chosen]).double().numpy()
    return losses


def round_linear_layers(model: PreTrainedModel, rounding: Rounding) -> int:
    """Round every linear layer's weights in place, but not the output head, which is the embedding as well.

    Returns how many weights were rounded.
    """
    head, count = model.get_output_embeddings(), 0  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    for layer in model.modules():
        if isinstance(layer, nn.Linear) and layer is not head:
            rounded = torch.from_numpy(rounding.apply(layer.weight.detach().numpy()))
            layer.weight.data.copy_(rounded)
            count += rounded.numel()
    return count


def save_rounded(source: Path, target: Path, rounding: Rounding) -> None:
    """Write the checkpoint again with rounded weights; all other files are copied."""
    language = load_language_model(source)
    round_linear_layers(language.model, rounding)
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    language.model.save_pretrained(target)
