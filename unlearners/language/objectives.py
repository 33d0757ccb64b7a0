"""What a step minimises: a way of forgetting beside ways of retaining. Knows no loop and no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from unlearners.language.descent import Share
from unlearners.language.encoding import Batch
from unlearners.language.losses import answer_nll, graddiff, kl_from_base, mean_square_to, npo, simnpo
from unlearners.language.settings import (
    FineTuning,
    GradDiffSettings,
    NpoSettings,
    RmuSettings,
    SimNpoSettings,
)
from unlearners.language.turns import Dealt, Turns

__all__ = ["Composed", "Forgetting", "Models", "Retaining", "forgetting_for", "mean_nll", "steered_layer"]

Forgetting: TypeAlias = Callable[[Dealt], Tensor]
"""The method's loss for each dealt forget dialogue, shape (rows,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The model in training, and the same as it was before, frozen."""

    trained: nn.Module
    base: nn.Module

    def base_logits(self, batch: Batch) -> Tensor:
        """Return the frozen model's logits, without a gradient."""
        with torch.no_grad():
            return logits_of(self.base, batch)

    def base_hidden(self, batch: Batch, layer: int) -> Tensor:
        """Return the frozen model's activations after a block, without a gradient."""
        with torch.no_grad():
            return hidden_of(self.base, batch, layer)


def logits_of(model: nn.Module, batch: Batch) -> Tensor:
    """Return the logits (rows, tokens, vocabulary)."""
    logits: Tensor = model(input_ids=batch.ids, attention_mask=batch.real.long(), use_cache=False).logits
    return logits


def hidden_of(model: nn.Module, batch: Batch, layer: int) -> Tensor:
    """Return the activations after block ``layer``, counted from 1: (rows, tokens, width)."""
    mask = batch.real.long()
    output = model(input_ids=batch.ids, attention_mask=mask, use_cache=False, output_hidden_states=True)
    hidden: Tensor = output.hidden_states[layer]
    return hidden


def mean_nll(logits: Tensor, batch: Batch) -> Tensor:
    """Return each answer's NLL per token."""
    nll, tokens = answer_nll(logits, batch.ids, batch.said)
    return nll / tokens


@dataclass(frozen=True, slots=True, eq=False)
class Retaining:
    """The retain losses that the settings weigh, for each dealt retain dialogue."""

    models: Models
    turns: Turns
    settings: FineTuning

    def __call__(self, dealt: Dealt) -> Tensor:
        """Return the weighted sum for each dialogue, shape (rows,)."""
        batch, settings = self.turns.batch(dealt), self.settings
        total = torch.zeros(batch.rows, device=batch.ids.device)
        if settings.retain_nll or settings.retain_kl:
            logits = logits_of(self.models.trained, batch)
            total = total + settings.retain_nll * mean_nll(logits, batch)
            if settings.retain_kl:
                total = total + settings.retain_kl * kl_from_base(
                    self.models.base_logits(batch), logits, batch.said
                )
        if isinstance(settings, RmuSettings) and settings.retain_activations:
            layer = steered_layer(self.models.base, settings)
            hidden = hidden_of(self.models.trained, batch, layer)
            kept = mean_square_to(hidden, self.models.base_hidden(batch, layer), batch.real)
            total = total + settings.retain_activations * kept
        return total


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """``forget_weight`` times the forgetting loss plus the retaining losses, means over a step's dialogues.

    Without ``forgetting`` it is the retaining alone.
    """

    retaining: Retaining
    forgetting: Forgetting | None = None
    forget: Turns | None = None

    def __call__(self, step: int) -> Share:
        """Return this process's share of a step's loss."""
        kept = self.retaining.turns.deal(step)
        loss, gradients = self.retaining(kept).sum() / kept.total, kept.total
        if self.forgetting is not None and self.forget is not None:
            gone = self.forget.deal(step)
            weight = self.retaining.settings.forget_weight
            loss = loss + weight * self.forgetting(gone).sum() / gone.total
            gradients += gone.total
        return Share(loss, gradients)


def forgetting_for(settings: FineTuning, models: Models, turns: Turns, seed: int) -> Forgetting:
    """Return the peer's forgetting loss."""
    match settings:
        case GradDiffSettings():
            return lambda dealt: graddiff(_mean_nll(models, turns.batch(dealt)))
        case NpoSettings(beta=beta):
            return lambda dealt: _npo(models, turns.batch(dealt), beta)
        case SimNpoSettings(beta=beta, delta=delta):
            return lambda dealt: simnpo(_mean_nll(models, turns.batch(dealt)), beta, delta)
        case RmuSettings():
            return _steering(settings, models, turns, seed)
    raise TypeError(f"{type(settings).__name__} has no forgetting loss of its own")


def steered_layer(model: nn.Module, settings: RmuSettings) -> int:
    """Return RMU's block, counted from 1. Raises ``ValueError`` unless it is below the model's last."""
    blocks = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    layer = settings.layer or max(1, round(0.44 * blocks))
    if layer >= blocks:
        raise ValueError(
            f"the setting 'layer' is at most {blocks - 1} for a model of {blocks} blocks, not {layer}"
        )
    return layer


def _mean_nll(models: Models, batch: Batch) -> Tensor:
    return mean_nll(logits_of(models.trained, batch), batch)


def _npo(models: Models, batch: Batch, beta: float) -> Tensor:
    reference, _ = answer_nll(models.base_logits(batch), batch.ids, batch.said)
    nll, _ = answer_nll(logits_of(models.trained, batch), batch.ids, batch.said)
    return npo(nll, reference, beta)


def _steering(settings: RmuSettings, models: Models, turns: Turns, seed: int) -> Forgetting:
    """Draw RMU's direction u (uniform in the unit cube, then of norm 1) and scale it to the activations."""
    layer = steered_layer(models.base, settings)
    width = int(models.base.config.hidden_size)  # type: ignore[union-attr, arg-type]
    direction = torch.rand(width, generator=torch.Generator().manual_seed(seed))
    first = turns.batch(Dealt(tuple(range(min(32, len(turns.encoded)))), (), 0))
    scale = models.base_hidden(first, layer)[first.real].norm(dim=-1).mean()
    target = settings.steering * scale * (direction / direction.norm()).to(scale.device)

    def forgetting(dealt: Dealt) -> Tensor:
        batch = turns.batch(dealt)
        return mean_square_to(hidden_of(models.trained, batch, layer), target, batch.real)

    return forgetting
