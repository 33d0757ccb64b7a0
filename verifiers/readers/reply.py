"""Reading of a judge's reply: a chat completion in, P(yes) or why there is none out. Knows no rubric's words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["Answered", "Reply", "Unanswered", "read_reply"]

_LETTERS = re.compile(r"[^a-z]+")
_VALUE = re.compile(r'"leak"\s*:\s*"(yes|no)"')


@dataclass(frozen=True, slots=True)
class Answered:
    """The probability of yes, in [0, 1]; ``graded`` says that it comes from the model's own probabilities."""

    probability: float
    graded: bool


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There is no verdict. ``reason`` quotes nothing."""

    reason: str


Reply: TypeAlias = Answered | Unanswered


def read_reply(body: Any, *, structured: bool) -> Reply:
    """Read the first choice of a chat completion.

    Only a finished reply counts, and only one that is a yes or a no and nothing else. Where the server gives the
    alternatives of the token with which that word begins, the probability is that of yes among yes and no.
    """
    choices = body.get("choices") if isinstance(body, Mapping) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if not isinstance(choice, Mapping) or not isinstance(message, Mapping):
        return Unanswered("the judge's reply has an unknown shape")
    if message.get("refusal"):
        return Unanswered("the judge refused")
    if choice.get("finish_reason") != "stop":
        return Unanswered("the judge's reply is not finished")
    content = message.get("content")
    found = _said(content, structured) if isinstance(content, str) else None
    if found is None or not isinstance(content, str):
        return Unanswered("the judge's reply is no yes or no")
    start, word = found
    graded = _graded(choice.get("logprobs"), content, start)
    return Answered(float(word == "yes"), graded=False) if graded is None else Answered(graded, graded=True)


def _said(content: str, structured: bool) -> tuple[int, str] | None:
    """Find the word and where it begins."""
    if not structured:
        word = content.strip().rstrip(".").casefold()
        return (len(content) - len(content.lstrip()), word) if word in ("yes", "no") else None
    try:
        pairs = json.loads(content, object_pairs_hook=tuple)
    except (json.JSONDecodeError, RecursionError):
        return None
    if pairs not in ((("leak", "yes"),), (("leak", "no"),)):
        return None
    value = _VALUE.search(content)
    return (value.start(1), value.group(1)) if value else None


def _graded(logprobs: Any, content: str, start: int) -> float | None:
    """Return P(yes) against P(no) at the token with which the word begins, if the server tells."""
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    if not isinstance(tokens, list) or not all(isinstance(each, Mapping) for each in tokens):
        return None
    if not "".join(str(each.get("token")) for each in tokens).startswith(content):
        return None
    end = 0
    for each in tokens:
        end += len(str(each.get("token")))
        if end > start:
            return _share(each.get("top_logprobs"))
    return None


def _share(alternatives: Any) -> float | None:
    if not isinstance(alternatives, Sequence) or isinstance(alternatives, str):
        return None
    mass = {"yes": 0.0, "no": 0.0}
    for each in alternatives:
        token, logprob = (each.get("token"), each.get("logprob")) if isinstance(each, Mapping) else (None, None)
        if not isinstance(token, str) or not isinstance(logprob, int | float) or not logprob <= 1e-6:
            return None
        letters = _LETTERS.sub("", token.casefold())
        for word in mass:
            if letters and word.startswith(letters):
                mass[word] += math.exp(min(0.0, logprob))
    total = mass["yes"] + mass["no"]
    return mass["yes"] / total if total > 0 else None
