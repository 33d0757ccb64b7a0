"""What the dialects share: usage, words, ids, frames of a stream. Knows no dialect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import orjson

from gateway.errors import LetheError
from gateway.guard.loop import FellBack, Outcome, Released
from gateway.guard.policy import Bounded, Open
from gateway.http.problems import problem_body
from gateway.upstream.protocol import Usage

__all__ = ["DONE", "data_failure", "data_frame", "disclosure", "in_words", "total_usage", "usage_body"]

DONE: Final = b"data: [DONE]\n\n"
"""What ends a stream of chat or text completions."""


def data_frame(content: Mapping[str, Any]) -> bytes:
    """Write one server-sent event without a name."""
    return b"data: " + orjson.dumps(content) + b"\n\n"


def data_failure(error: LetheError) -> Iterator[bytes]:
    """End a stream with an error in the shape that clients know."""
    yield data_frame(problem_body(error))
    yield DONE


def usage_body(usage: Usage) -> dict[str, int]:
    """Count as chat and text completions do."""
    total = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": total,
    }


def total_usage(outcomes: Sequence[Outcome]) -> Usage:
    """Add up what the answers cost by themselves."""
    return sum((outcome.usage for outcome in outcomes), Usage())


def disclosure(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Say what the loop did. For operators: it tells whoever reads it that something is being forgotten."""
    worst = next((outcome for outcome in outcomes if isinstance(outcome, FellBack)), outcomes[0])
    rule = worst.rule
    return {
        "outcome": "released" if isinstance(worst, Released) else "fallback",
        "reason": None if isinstance(worst, Released) else worst.reason,
        "guarded": not isinstance(rule, Open),
        "certificate": rule.certificate_id if isinstance(rule, Bounded) else None,
        "rounds": max(outcome.rounds for outcome in outcomes),
        "generations": sum(outcome.generations for outcome in outcomes),
        "usage_total": usage_body(sum((outcome.usage_total for outcome in outcomes), Usage())),
    }


def in_words(text: str) -> Sequence[str]:
    """Cut a text behind its blanks, so that the pieces join to the very same text."""
    pieces, start = [], 0
    for position, (letter, following) in enumerate(pairwise(text), start=1):
        if letter.isspace() and not following.isspace():
            pieces.append(text[start:position])
            start = position
    return [*pieces, text[start:]] if text else []
