"""An outcome in numbers, for metrics and traces. Holds nothing of what was said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.guard.loop import Outcome, Reason, Released

__all__ = ["measurements"]

_OUTCOMES: Final[Mapping[Reason, str]] = {
    "exhausted": "blocked",
    "surrendered": "blocked",
    "cut": "blocked",
    "misshapen": "blocked",
    "uncertified": "uncertified",
}
"""Reasons for the fallback that are outcomes of their own; after every other one the answer was not judged."""


def measurements(outcome: Outcome) -> dict[str, str | int]:
    """Say how it ended, after how many rounds, at the cost of which tokens."""
    ended = "released" if isinstance(outcome, Released) else _OUTCOMES.get(outcome.reason, "unjudged")
    return {
        "outcome": ended,
        "rounds": outcome.rounds,
        "generations": outcome.generations,
        "answer_prompt_tokens": outcome.usage.prompt_tokens,
        "answer_completion_tokens": outcome.usage.completion_tokens,
        "loop_prompt_tokens": outcome.usage_total.prompt_tokens,
        "loop_completion_tokens": outcome.usage_total.completion_tokens,
    }
