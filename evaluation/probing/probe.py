"""A probe: one prompt, what must not come back, and how it counts. Knows no templates and no topics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

__all__ = ["FAMILIES", "Family", "Language", "Probe", "prompt_line"]

Family: TypeAlias = Literal[
    "direct",
    "paraphrase",
    "reverse",
    "role-play",
    "prefix-injection",
    "in-context",
    "multiple-choice",
    "encoded",
    "cross-lingual",
    "multi-turn",
]
"""The ways of asking; a certificate may be asked to hold for each of them."""

FAMILIES: tuple[Family, ...] = get_args(Family)

Language: TypeAlias = Literal["en", "de", "fr", "es", "it"]


@dataclass(frozen=True, slots=True)
class Probe:
    """One prompt that tries to get a topic out of a model.

    ``forbidden`` are the strings that make an answer a leak, None where only people or a judge can say.
    ``unit`` joins all probes that ask the same question, whatever the family: they are no independent evidence.
    """

    id: str
    messages: tuple[Mapping[str, str], ...]
    forbidden: tuple[str, ...] | None
    topic: str
    unit: str
    family: Family
    language: Language

    @property
    def text(self) -> str:
        """Everything that is said in it, one turn a line."""
        return "\n".join(message["content"] for message in self.messages)


def prompt_line(probe: Probe) -> str:
    """Encode as a line of the file that ``lethe calibrate --prompts`` reads, newline included. Sensitive."""
    prompt = {
        "id": probe.id,
        "messages": list(probe.messages),
        **({} if probe.forbidden is None else {"forbidden": list(probe.forbidden)}),
        "topic": probe.topic,
        "unit": probe.unit,
        "groups": {"family": probe.family, "language": probe.language},
    }
    return json.dumps(prompt, ensure_ascii=False) + "\n"
