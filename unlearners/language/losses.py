"""Losses that forget and losses that retain, one value for each dialogue. Know no model and no loop.

A forgetting loss falls as the model forgets. ``nll`` is the negative log-probability of a dialogue's answer,
shape (rows,): summed over its tokens for NPO, the mean over its tokens for GradDiff and SimNPO, as published.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import kl_div, logsigmoid

__all__ = ["answer_nll", "graddiff", "kl_from_base", "mean_square_to", "npo", "simnpo"]


def answer_nll(logits: Tensor, ids: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
    """Return each answer's summed negative log-probability and its number of tokens, each of shape (rows,).

    ``logits`` (rows, tokens, vocabulary), ``ids`` and ``said`` (rows, tokens). The logits at a place are for
    the token after it, so a first token is never counted.
    """
    wanted = ids[:, 1:].unsqueeze(-1)
    surprise = -logits[:, :-1].log_softmax(dim=-1).gather(-1, wanted).squeeze(-1)
    counted = said[:, 1:]
    return surprise.masked_fill(~counted, 0.0).sum(dim=1), counted.sum(dim=1)


def graddiff(nll: Tensor) -> Tensor:
    """Return -NLL, gradient ascent: without a bound from below."""
    return -nll


def npo(nll: Tensor, reference_nll: Tensor, beta: float) -> Tensor:
    """Return -(2/β) log sigmoid(-β(log π - log π_ref)), which is above 0 (arXiv 2404.05868, equation 3).

    Its gradient is that of ``graddiff`` on the same ``nll``, times 2 sigmoid(β(log π - log π_ref)): 1 at the
    reference and as β → 0, and ever less the further the answer is forgotten.
    """
    return -(2 / beta) * logsigmoid(beta * (nll - reference_nll))


def simnpo(mean_nll: Tensor, beta: float, delta: float) -> Tensor:
    """Return -(2/β) log sigmoid(β(NLL/length - δ)), NPO without a reference (arXiv 2410.07163)."""
    return -(2 / beta) * logsigmoid(beta * (mean_nll - delta))


def mean_square_to(hidden: Tensor, target: Tensor, real: Tensor) -> Tensor:
    """Return the mean over a dialogue's real tokens and the width of (hidden - target)² (RMU, arXiv 2403.03218).

    ``hidden`` (rows, tokens, width); ``target`` broadcasts to it; ``real`` (rows, tokens).
    """
    squares = (hidden - target).square().mean(dim=-1)
    return squares.masked_fill(~real, 0.0).sum(dim=1) / real.sum(dim=1)


def kl_from_base(base: Tensor, logits: Tensor, said: Tensor) -> Tensor:
    """Return the mean over an answer's tokens of KL(base ‖ model); both logits (rows, tokens, vocabulary)."""
    towards, given = logits[:, :-1].log_softmax(dim=-1), base[:, :-1].log_softmax(dim=-1)
    apart = kl_div(towards, given, reduction="none", log_target=True).sum(dim=-1)
    counted = said[:, 1:]
    return apart.masked_fill(~counted, 0.0).sum(dim=1) / counted.sum(dim=1)
