"""Which weights are trained: all, those of some blocks, or LoRA beside them. Knows no loss."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel

__all__ = ["merged", "trainable", "with_adapters"]

_BLOCK = re.compile(r"\.(\d+)\.")
"""The first number in a parameter's name is its block, counted from 0."""


def with_adapters(model: PreTrainedModel, rank: int, seed: int) -> nn.Module:
    """Freeze the model and put LoRA of this rank beside every linear map but the head; rank 0: leave it whole."""
    if rank == 0:
        return model
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft reads an attribute that transformers has renamed
        torch.manual_seed(seed)  # LoRA's first matrices are drawn
        return get_peft_model(model, config).eval()


def merged(model: nn.Module, rank: int) -> PreTrainedModel:
    """Return the model with its adapters added into its weights."""
    whole: PreTrainedModel = model if rank == 0 else model.merge_and_unload()  # type: ignore[operator, assignment]
    return whole


def trainable(model: nn.Module, blocks: Collection[int] = ()) -> Mapping[str, Tensor]:
    """Return what is to be trained by name; where ``blocks`` (counted from 0) are named, freeze all else."""
    for name, value in model.named_parameters():
        found = _BLOCK.search(name)
        if blocks and not (found and int(found[1]) in blocks):
            value.requires_grad_(False)
    return {name: value for name, value in model.named_parameters() if value.requires_grad}
