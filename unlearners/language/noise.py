"""Soft embeddings that keep a frozen language model from an answer, put before its question. Knows no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from unlearners.impair_repair.noise import frozen
from unlearners.language.descent import Course, Record, Share, descend
from unlearners.language.encoding import Batch
from unlearners.language.objectives import mean_nll
from unlearners.language.settings import NoiseSettings
from unlearners.language.sharding import inside, whole, within
from unlearners.language.turns import Turns
from unlearners.protocol import Progress

__all__ = ["Noise", "learn_noise", "logits_after"]


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """N: ``noise_rows`` rows of ``noise_tokens`` embeddings, and the gradients that learning them took."""

    rows: Tensor
    gradients: int

    def beside(self, places: Sequence[int]) -> Tensor:
        """Return one row of noise for each place in a batch, in turns: (places, tokens, width)."""
        return self.rows[torch.tensor(places, device=self.rows.device) % len(self.rows)]


def logits_after(model: nn.Module, noise: Tensor, batch: Batch) -> Tensor:
    """Return the logits at the batch's own tokens when each row's noise stands before them."""
    logits = within(model, lambda inner: _all_logits(inner, noise, batch))
    return logits[:, noise.shape[1] :]


def _all_logits(model: nn.Module, noise: Tensor, batch: Batch) -> Tensor:
    embedded = model.get_input_embeddings()(batch.ids)  # type: ignore[operator]
    tokens = noise.shape[1]
    mask = torch.cat([torch.ones(batch.rows, tokens, device=batch.ids.device), batch.real], dim=1).long()
    whole = torch.cat([noise.to(embedded), embedded], dim=1)
    logits: Tensor = model(inputs_embeds=whole, attention_mask=mask, use_cache=False).logits
    return logits


def learn_noise(
    model: nn.Module,
    forget: Turns,
    settings: NoiseSettings,
    seed: int,
    accelerator: Accelerator,
    record: Record | None,
    progress: Progress,
) -> Noise:
    """Minimise -CE(LM([N; E(q)]), answer) + penalty·mean((N - Ē)/s)² over N, the model frozen.

    Ē is the mean embedding and s the embeddings' root-mean-square distance to it in a coordinate; N starts
    as Ē + s·N(0, I), the rate is in units of s, and CE has no upper bound, hence the penalty. Each step takes
    a batch of the forget set, whose dialogues meet the rows of N in turns. CE is per token of the answer.
    """
    embeddings = whole(inside(model).get_input_embeddings().weight.detach())  # type: ignore[operator]
    middle = embeddings.mean(dim=0)
    shape = (settings.noise_rows, settings.noise_tokens, embeddings.shape[1])
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(middle)
    spread = (embeddings - middle).square().mean().sqrt()
    noise = (middle + spread * drawn).requires_grad_()

    def step_loss(step: int) -> Share:
        dealt = forget.deal(step)
        batch = forget.batch(dealt)
        surprise = mean_nll(logits_after(model, Noise(noise, 0).beside(dealt.places), batch), batch)
        far = ((noise - middle) / spread).square().mean() / accelerator.num_processes
        return Share(settings.noise_penalty * far - surprise.sum() / dealt.total, dealt.total)

    course = Course("noise", settings.noise_steps, settings.noise_rate * float(spread))
    with frozen(model):
        spent = descend({"noise": noise}, step_loss, course, accelerator, record=record, progress=progress)
    return Noise(noise.detach(), spent)
