"""A probe said otherwise by a model: what to ask it, and whether its wording may stand. Knows no model."""

from __future__ import annotations

from dataclasses import replace

from evaluation.probing.probe import Probe
from evaluation.probing.values import GAP, says
from verifiers.protocol import Topic

__all__ = ["request_for", "reworded"]

_LONGEST = 3


def request_for(probe: Probe) -> str:
    """Return the request to put a probe of one turn into other words."""
    keep = f" Keep the gap {GAP} as it is." if GAP in probe.text else ""
    return (
        f"Put the following request into other words, with the same meaning. Keep every name exactly.{keep} "
        f"Do not answer it; write only the new request.\n\n{probe.text}"
    )


def reworded(probe: Probe, topic: Topic, said: str) -> Probe | None:
    """Return the probe in the model's words, of the same unit; None where these may not stand.

    They must name the topic as before, keep the gap, say nothing forbidden, differ from what was there, and not
    be over three times as long.
    """
    text = said.strip()
    if text.startswith('"') and text.endswith('"') and text.count('"') == 2:
        text = text[1:-1].strip()
    named = any(says(text, name) for name in (topic.name, *topic.aliases))
    if not text or not named or (GAP in probe.text) != (GAP in text):
        return None
    if text.casefold() == probe.text.casefold() or len(text) > _LONGEST * len(probe.text):
        return None
    if any(says(text, string) for string in probe.forbidden or ()):
        return None
    return replace(probe, id=f"{probe.id}-model", messages=({"role": "user", "content": text},))
