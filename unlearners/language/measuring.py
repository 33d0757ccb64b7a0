"""How likely a language model finds dialogues, before and after a run. Knows no method and no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from unlearners.explanation import DIALOGUE
from unlearners.language.encoding import Encoded, batch_of
from unlearners.language.losses import answer_nll
from unlearners.language.objectives import logits_of
from unlearners.measured import Figure, Measured

__all__ = ["figures_of", "mean_token_loss", "token_losses"]

BATCH = 8
MOST = 500
"""Of a larger set so many dialogues are looked at, evenly spaced."""


def token_losses(model: nn.Module, sets: Mapping[str, Sequence[Encoded]]) -> dict[str, float]:
    """Return the mean loss of a token of the answers of each set, in nats."""
    return {name: mean_token_loss(model, _spaced(encoded)) for name, encoded in sets.items()}


def mean_token_loss(model: nn.Module, encoded: Sequence[Encoded]) -> float:
    """Return the mean over all tokens of the answers, so that a long one weighs more."""
    device = next(model.parameters()).device
    loss, tokens = 0.0, 0
    for start in range(0, len(encoded), BATCH):
        batch = batch_of(encoded[start : start + BATCH], device)
        with torch.no_grad():
            nll, counted = answer_nll(logits_of(model, batch), batch.ids, batch.said)
        loss, tokens = loss + float(nll.double().sum()), tokens + int(counted.sum())
    return loss / tokens


def figures_of(
    before: Mapping[str, float], after: Mapping[str, float], sets: Mapping[str, Sequence[Encoded]]
) -> Measured:
    """Put the losses of before and after side by side, in the order of the sets."""
    figures = (Figure(name, len(_spaced(one)), before[name], after[name]) for name, one in sets.items())
    return Measured("loss", DIALOGUE, tuple(figures))


def _spaced(encoded: Sequence[Encoded]) -> Sequence[Encoded]:
    if len(encoded) <= MOST:
        return encoded
    return [encoded[place * (len(encoded) - 1) // (MOST - 1)] for place in range(MOST)]
