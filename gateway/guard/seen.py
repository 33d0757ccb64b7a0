"""What stands for a prompt in a learned model's file, and which prompts a model was trained on. Keeps no text."""

from __future__ import annotations

import json

from gateway.errors import InvalidInput
from gateway.guard.prompts import Prompt, PromptSet
from verifiers.learned import LearnedModel, unit_mark

__all__ = ["check_unseen", "marks_of"]


def marks_of(prompt: Prompt) -> tuple[str, str]:
    """Return the marks of a prompt's unit and of its words: the same question may come under another name."""
    said = json.dumps([dict(message) for message in prompt.messages], sort_keys=True, ensure_ascii=False)
    return unit_mark(prompt.unit), unit_mark(f"messages {said}")


def check_unseen(prompts: PromptSet, learned: LearnedModel | None) -> None:
    """Refuse to calibrate on what the verifier was trained on: there it is better than anywhere else.

    Raises ``InvalidInput`` with how many units that are, and what to do.
    """
    if learned is None:
        return
    known = frozenset(learned.units)
    units = {prompt.unit for prompt in prompts.prompts}
    seen = sorted({prompt.unit for prompt in prompts.prompts if not known.isdisjoint(marks_of(prompt))})
    if seen:
        raise InvalidInput(
            f"the learned verifier of LETHE_LEARNED_MODEL was trained on {len(seen)} of the {len(units)} units, "
            f"such as {seen[0]!r}, so it would certify too much: calibrate on other prompts (`lethe verifiers "
            "train --rest` writes those that it left out), or, where only their names are the same, give them "
            "another `unit`"
        )
