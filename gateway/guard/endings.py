"""Where an answer about a topic ends: at the client's stop texts, and never inside a word. Knows no verdicts.

A model that is told the stop texts ends before what would be found behind them, and whether the answer then goes
out tells that one of them stands there: a letter a question. Half of a word, as a limit on tokens leaves it, is no
word that anybody looks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.upstream.protocol import Choice
from verifiers.words import COMMON

__all__ = ["Ending", "stops_in"]

_LAST: Final = re.compile(r"[^\s\"\u201c\u201d]+\Z")
_CLOSED: Final = frozenset(".!?\u2026,;:)]}'\u2019\u3002\uff01\uff1f\uff0c")
_LONGEST_WORD: Final = 40
_HALF_CHARS: Final = 8
"""Of a script without blanks between words, so much is taken for the last one."""
_WRITTEN_LAST: Final = ("content", "refusal", "reasoning_content", "reasoning")


def _anything(half: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Ending:
    """What the client wants of an answer's end. ``stops`` are heeded here: the model does not hear of them.

    ``telling`` says of the half of a word whether it tells anything.
    """

    stops: tuple[str, ...] = ()
    telling: Callable[[str], bool] = _anything

    @classmethod
    def wanted(cls, parameters: Mapping[str, Any]) -> Ending:
        """Read what a client asked for in a conversation about a topic."""
        return cls(stops_in(parameters))

    def in_whole_words(self, choice: Choice) -> Choice:
        """Take off the word in which the model came to its limit, unless that is all and an ordinary one."""
        if choice.finish_reason != "length":
            return choice
        if calls := choice.message.get("tool_calls"):
            *others, last = calls
            function = {**last["function"], "arguments": self._without_half(last["function"]["arguments"])}
            message = {**choice.message, "tool_calls": [*others, {**last, "function": function}]}
            return replace(choice, message=message)
        field = next((field for field in _WRITTEN_LAST if choice.message.get(field)), None)
        if field is None:
            return choice
        return replace(choice, message={**choice.message, field: self._without_half(str(choice.message[field]))})

    def cut(self, choice: Choice) -> Choice:
        """End the content before the first of the stop texts; the same choice where there is none of them."""
        content = choice.message.get("content")
        places = [content.find(stop) for stop in self.stops] if isinstance(content, str) else []
        found = [place for place in places if place >= 0]
        if not found or not isinstance(content, str):
            return choice
        message = {name: said for name, said in choice.message.items() if name != "tool_calls"}
        return replace(choice, message={**message, "content": content[: min(found)]}, finish_reason="stop")

    def _without_half(self, text: str) -> str:
        last = _LAST.search(text)
        if (
            last is None
            or text[-1] in _CLOSED
            or text.strip().casefold() in COMMON
            or not self.telling(last.group())
        ):
            return text
        return text[: max(last.start(), last.end() - _HALF_CHARS)] if _is_unspaced(last) else text[: last.start()]


def stops_in(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Read the texts at which a client wants answers to end."""
    stop = parameters.get("stop")
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    return tuple(word for word in stops if isinstance(word, str) and word)


def _is_unspaced(last: re.Match[str]) -> bool:
    return last.end() - last.start() > _LONGEST_WORD
