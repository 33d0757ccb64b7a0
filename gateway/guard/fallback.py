"""The safe fallback: what is said in place of an answer that may not go out. Knows no verdicts."""

from __future__ import annotations

from typing import Final

from gateway.store.records import Fallback
from gateway.upstream.protocol import Choice

__all__ = ["REFUSE", "UNAWARE", "fallback_choice", "fallback_text"]

UNAWARE: Final = "I don't have information about that."
REFUSE: Final = "I'm sorry, but I can't help with that."


def fallback_text(fallback: Fallback) -> str:
    """Say it in the style asked for: as a model that never knew, as a refusal, or in the operator's words."""
    match fallback.style:
        case "unaware":
            return UNAWARE
        case "refuse":
            return REFUSE
        case "custom":
            return fallback.text or UNAWARE


def fallback_choice(text: str, most_tokens: int | None = None) -> Choice:
    """Shape the fallback as an ordinary answer: no special case for a client's code, no longer than asked."""
    words = text.split(" ")
    if most_tokens is not None and len(words) > most_tokens:
        cut = " ".join(words[:most_tokens])
        return Choice(message={"role": "assistant", "content": cut}, finish_reason="length")
    return Choice(message={"role": "assistant", "content": text}, finish_reason="stop")
