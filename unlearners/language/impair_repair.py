"""Impair-repair (UNSIR) on a language model: what is taught in place of the answers. Knows no loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from unlearners.language.dialogues import Dialogue, Message
from unlearners.language.noise import Noise, logits_after
from unlearners.language.objectives import Forgetting, Models, logits_of, mean_nll
from unlearners.language.turns import Dealt, Turns

__all__ = ["impairing", "refused"]


def refused(dialogues: Sequence[Dialogue], refusals: Sequence[str], seed: int) -> tuple[Dialogue, ...]:
    """Return the dialogues with a refusal in place of each answer, drawn by the seed."""
    drawn = np.random.default_rng(seed).integers(len(refusals), size=len(dialogues))
    return tuple(
        Dialogue((*dialogue.prompt, Message("assistant", refusals[one])), dialogue.id)
        for dialogue, one in zip(dialogues, drawn, strict=True)
    )


def impairing(models: Models, refusals: Turns, noise: Noise | None) -> Forgetting:
    """Return CE([N; E(q)] → refusal) per token; without noise CE(q → refusal), which is the control."""

    def forgetting(dealt: Dealt) -> Tensor:
        batch = refusals.batch(dealt)
        if noise is None:
            return mean_nll(logits_of(models.trained, batch), batch)
        return mean_nll(logits_after(models.trained, noise.beside(dealt.places), batch), batch)

    return forgetting
