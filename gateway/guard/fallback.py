"""The safe fallback: what is said in place of an answer that may not go out. Knows no verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from gateway.guard.shapes import in_shape
from gateway.store.records import Fallback
from gateway.upstream.protocol import Choice

__all__ = ["REFUSE", "UNAWARE", "FallbackFinish", "fallback_choice", "fallback_text"]

FallbackFinish: TypeAlias = Literal["stop", "content_filter"]
"""How a fallback ends: as any answer, or so that a client's code can tell that something was withheld."""

UNAWARE: Final = "I don't have information about that."
REFUSE: Final = "I'm sorry, but I can't help with that."

_NONE: Final[Mapping[str, Any]] = {}


def fallback_text(fallback: Fallback) -> str:
    """Say it in the style asked for: as a model that never knew, as a refusal, or in the operator's words."""
    match fallback.style:
        case "unaware":
            return UNAWARE
        case "refuse":
            return REFUSE
        case "custom":
            return fallback.text or UNAWARE


def fallback_choice(
    text: str,
    most_tokens: int | None = None,
    finish: FallbackFinish = "stop",
    *,
    sent: str = "",
    parameters: Mapping[str, Any] = _NONE,
) -> Choice:
    """Shape the fallback as an ordinary answer: no special case for a client's code, no longer than asked.

    Where the client's ``parameters`` ask for a schema, it is one of its instances; where that would have to be
    made up, and where a call is required, it is a refusal, as the model's own would be. With ``content_filter``
    it is always a refusal, and says so. ``sent`` is the beginning of an answer that the client has already.
    """
    shaped = None if sent else in_shape(text, parameters)
    refusing = finish == "content_filter" or shaped == "unfit"
    words = (text if refusing or shaped is None else shaped).split(" ")
    left = len(words) if most_tokens is None else max(most_tokens - len(sent.split()), 0)
    said = " ".join(words[:left])
    ending = "length" if left < len(words) else "stop"
    if refusing:
        message = {"role": "assistant", "content": sent or None, "refusal": said}
        return Choice(message, "content_filter" if finish == "content_filter" else ending)
    whole = f"{sent}\n{said}" if sent and said else sent + said
    return Choice({"role": "assistant", "content": whole}, ending)
