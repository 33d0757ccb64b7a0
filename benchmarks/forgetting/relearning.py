"""How soon a model that forgot is taught again. Knows no method and no gateway."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from evaluation.unlearning.findings import Recovery
from forgetting.checkpoints import encoded, mean_losses
from unlearners.language.checkpoint import LanguageModel
from unlearners.language.dialogues import Dialogue

__all__ = ["Teaching", "steps_until", "taught_again"]


@dataclass(frozen=True, slots=True)
class Teaching:
    """AdamW at ``rate``, ``batch`` dialogues a step, until ``share`` of the exam is answered right."""

    rate: float = 1e-4
    batch: int = 16
    share: float = 0.5
    most_steps: int = 60


def taught_again(
    language: LanguageModel,
    lessons: Sequence[Dialogue],
    exam: Callable[[LanguageModel], float],
    teaching: Teaching,
    *,
    seed: int,
) -> Recovery:
    """Train a copy on ``lessons`` and count the steps until ``exam`` gives ``teaching.share``.

    Few steps mean that the facts were hidden rather than gone: compare with a model that never saw them.
    """
    pupil = LanguageModel(copy.deepcopy(language.model), language.tokenizer, language.source, language.stored)
    known, rng = encoded(pupil, lessons), random.Random(seed)
    optimiser = torch.optim.AdamW(pupil.model.parameters(), lr=teaching.rate, weight_decay=0.0)

    def step() -> None:
        drawn = rng.sample(known, min(teaching.batch, len(known)))
        optimiser.zero_grad(set_to_none=True)
        mean_losses(pupil.model, drawn).mean().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(pupil.model.parameters(), 1.0)
        optimiser.step()

    return steps_until(lambda: exam(pupil), step, teaching)


def steps_until(share: Callable[[], float], step: Callable[[], None], teaching: Teaching) -> Recovery:
    """Take steps until ``share()`` is at least the one asked for; 0 where it is from the start."""
    for taken in range(teaching.most_steps + 1):
        if share() >= teaching.share:
            return Recovery(taken, back=True)
        if taken < teaching.most_steps:
            step()
    return Recovery(teaching.most_steps, back=False)
