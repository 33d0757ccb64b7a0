"""Refinement: how the next round asks, given what the verifiers found. Knows no thresholds and no scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from gateway.upstream.protocol import Capabilities, ChatRequest

__all__ = [
    "RESAMPLE_TEMPERATURE",
    "REVISE_BLINDLY",
    "REVISE_WITH_WORDS",
    "UNAWARE",
    "Finding",
    "Strategy",
    "next_request",
    "refinement_fingerprint",
]

Strategy: TypeAlias = Literal["revise", "unaware", "resample", "constrain"]
"""How a round asks.

``revise``: show the answer and what it gave away, and ask again. ``unaware``: ask again under an instruction
to know nothing of the topics; where none can be named, revise. ``resample``: ask again, hotter. ``constrain``:
ask again with the telling words banned, where the upstream can do that, else revise."""

_REVISION = "4"
"""Raise it whenever the loop, the screen or the channels could lead to other trajectories."""

REVISE_WITH_WORDS = "Your answer mentioned {words}. Answer again without it."
REVISE_BLINDLY = "Your answer said too much. Answer again without it."
UNAWARE = "You have no information about {topics}. If asked, say so."
RESAMPLE_TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What the last round gave: the candidate's text, its telling words, the topics' names."""

    answer: str
    words: tuple[str, ...]
    topics: tuple[str, ...]


def refinement_fingerprint(
    strategies: Sequence[Strategy], candidates_per_round: int, capabilities: Capabilities
) -> str:
    """Change whenever a round could ask otherwise; a certificate names it."""
    parts = [
        _REVISION,
        list(strategies),
        candidates_per_round,
        capabilities.parts,
        REVISE_WITH_WORDS,
        REVISE_BLINDLY,
        UNAWARE,
        RESAMPLE_TEMPERATURE,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def next_request(
    original: ChatRequest, finding: Finding, strategy: Strategy, capabilities: Capabilities
) -> ChatRequest:
    """Build the next round's request from the client's own and the last finding.

    Always starts from the client's messages, so that an upstream's prefix cache serves every round.
    """
    if original.raw and strategy in ("revise", "unaware"):
        return _told_before(original, finding)
    match strategy:
        case "revise":
            return _revise(original, finding)
        case "unaware" if not finding.topics:  # nothing can be named, as of a private topic
            return _revise(original, finding)
        case "unaware":
            return _unaware(original, finding)
        case "resample":
            return _resample(original)
        case "constrain":
            if capabilities.banned_words and finding.words:
                return replace(original, banned_words=finding.words)
            return _told_before(original, finding) if original.raw else _revise(original, finding)


def _revise(original: ChatRequest, finding: Finding) -> ChatRequest:
    feedback = REVISE_WITH_WORDS.format(words=", ".join(finding.words)) if finding.words else REVISE_BLINDLY
    turns = ({"role": "assistant", "content": finding.answer}, {"role": "user", "content": feedback})
    return replace(original, messages=(*original.messages, *turns))


def _told_before(original: ChatRequest, finding: Finding) -> ChatRequest:
    """Put the instruction before a text that has no turns."""
    instruction = UNAWARE.format(topics=", ".join(finding.topics) or "that")
    return replace(original, messages=({"role": "user", "content": f"{instruction}\n\n{original.prompt}"},))


def _unaware(original: ChatRequest, finding: Finding) -> ChatRequest:
    instruction = UNAWARE.format(topics=", ".join(finding.topics))
    first = original.messages[0] if original.messages else None
    if (
        first is not None
        and first.get("role") in ("system", "developer")
        and isinstance(first.get("content"), str)
    ):
        merged: Mapping[str, object] = {**first, "content": f"{first['content']}\n\n{instruction}"}
        return replace(original, messages=(merged, *original.messages[1:]))
    return replace(original, messages=({"role": "system", "content": instruction}, *original.messages))


def _resample(original: ChatRequest) -> ChatRequest:
    parameters = {key: value for key, value in original.parameters.items() if key != "seed"}
    return replace(original, parameters={**parameters, "temperature": RESAMPLE_TEMPERATURE})
