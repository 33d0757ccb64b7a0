"""Channels: every text of an answer that the client would see. Knows no topics.

A channel that cannot be verified is removed: what ``visible`` does not read, ``verifiable`` does not keep.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from gateway.errors import UpstreamGarbage
from gateway.guard.invisible import without_invisible
from gateway.upstream.protocol import Choice, Message

__all__ = ["judged", "verifiable", "visible"]

_TEXT_FIELDS: Final = ("reasoning_content", "reasoning", "content", "refusal")
_PART_TYPES: Final = ("text", "output_text")
_FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


class _Unreadable(Exception):
    """A message has a shape in which text could hide."""


def visible(choices: Iterable[Choice]) -> str:
    """Join every text of the choices, one per line: what a client sees. Raises ``UpstreamGarbage``."""
    return "\n".join(_texts(choices))


def judged(choice: Choice) -> str:
    """Give what a verifier must judge of a choice: all its texts, one per line. Raises ``UpstreamGarbage``.

    Where there are several they come once more without a break, since a word could be split between them; and so
    do the keys and the values of JSON, since a name can have a field for each of its words.
    """
    texts = _texts([choice])
    together = ["".join(texts)] if len(texts) > 1 else []
    return "\n".join([*texts, *together, *(line for text in texts for line in _fields(text))])


def _fields(text: str) -> Iterator[str]:
    """Give what stands in JSON, an object or a list, without its signs."""
    text = text.strip().removeprefix("```json").strip("`\n ")
    if text[:1] not in ("{", "["):
        return
    try:
        leaves = list(_leaves(json.loads(text)))
    except (ValueError, RecursionError):
        return
    for places in (0, 1):
        said = [leaf[places] for leaf in leaves if leaf[places]]
        if len(said) > 1:
            yield "".join(said)
            yield " ".join(said)


def _leaves(value: object) -> Iterator[tuple[str, str]]:
    """Give (key, "") for each key and ("", value) for each text and number, in order."""
    match value:
        case str():
            yield "", value
        case int() | float() if not isinstance(value, bool):
            yield "", str(value)
        case dict():
            for key, inner in value.items():
                yield key, ""
                yield from _leaves(inner)
        case list():
            for inner in value:
                yield from _leaves(inner)


def _texts(choices: Iterable[Choice]) -> list[str]:
    with _REFUSING:
        return [text for choice in choices for text in _message_texts(choice.message) if text]


def verifiable(choice: Choice) -> Choice:
    """Keep the channels that ``visible`` reads and drop the rest (logprobs, audio, annotations, …).

    What is neither text nor dropped is made anew (the ids of tool calls) or one of a few words (the finish
    reason). Raises ``UpstreamGarbage`` for a channel whose shape is unknown: it is withheld, not passed on.
    """
    with _REFUSING:
        kept: dict[str, Any] = {"role": "assistant", "content": None}
        for field in _TEXT_FIELDS:
            if choice.message.get(field) is not None:
                kept[field] = _flattened(choice.message[field])
        calls = [_plain_call(call) for call in _sequence(choice.message.get("tool_calls"))]
        if calls:
            kept["tool_calls"] = calls
    reason = choice.finish_reason if choice.finish_reason in _FINISH_REASONS else "stop"
    return Choice(message=kept, finish_reason=reason)


class _Refusing:
    """Turns what cannot be read into an error that says no more than that."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, _Unreadable):
            raise UpstreamGarbage("the model's answer has a shape that cannot be verified") from None


_REFUSING: Final = _Refusing()


def _message_texts(message: Message) -> Iterator[str]:
    for field in _TEXT_FIELDS:
        if message.get(field) is not None:
            yield _flattened(message[field])
    for call in _sequence(message.get("tool_calls")):
        plain = _plain_call(call)
        yield plain["function"]["name"]
        yield from _argument_texts(plain["function"]["arguments"])


def _flattened(content: object) -> str:
    """Turn content, a string or a list of parts, into text. Parts without text are not kept."""
    if isinstance(content, str):
        return without_invisible(content)
    parts = (part for part in _sequence(content) if part.get("type") in _PART_TYPES)
    return "\n".join(without_invisible(str(part.get("text", ""))) for part in parts)


def _plain_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise _Unreadable
    arguments = function.get("arguments", "")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    named = {"name": without_invisible(function["name"]), "arguments": without_invisible(arguments)}
    return {"id": f"call_{uuid.uuid4().hex}", "type": "function", "function": named}


def _argument_texts(arguments: str) -> Iterator[str]:
    """Yield the arguments as written and, since JSON can spell a letter as an escape, as decoded."""
    try:
        meant = json.dumps(json.loads(arguments), ensure_ascii=False) if "\\" in arguments else ""
        (arguments + meant).encode()  # half a character cannot be sent on, nor read
    except (ValueError, RecursionError):
        raise _Unreadable from None
    yield arguments
    yield meant


def _sequence(value: object) -> Sequence[Mapping[str, Any]]:
    """Read a list of objects, or nothing; any other shape cannot be verified."""
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, Mapping) for v in value):
        return value
    raise _Unreadable
