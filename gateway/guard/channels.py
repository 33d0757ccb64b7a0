"""Channels: every text of an answer that the client would see. Knows no topics.

A channel that cannot be verified is removed: what ``visible`` does not read, ``verifiable`` does not keep.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gateway.errors import InvalidInput, LetheError, UpstreamGarbage
from gateway.upstream.protocol import Choice, Message

__all__ = ["prompt_text", "verifiable", "visible"]

_TEXT_FIELDS = ("reasoning_content", "reasoning", "content", "refusal")
_PART_TYPES = ("text", "output_text", "input_text")


class _Unreadable(Exception):
    """A message has a shape in which text could hide."""


def visible(choices: Iterable[Choice]) -> str:
    """Join every text of the choices, one per line: what a verifier must judge. Raises ``UpstreamGarbage``."""
    with _unreadable_is(UpstreamGarbage("the model's answer has a shape that cannot be verified")):
        return _joined(choice.message for choice in choices)


def verifiable(choice: Choice) -> Choice:
    """Keep the channels that ``visible`` reads and drop the rest (logprobs, audio, annotations, …).

    Raises ``UpstreamGarbage`` for a channel whose shape is unknown: it is withheld, not passed on.
    """
    with _unreadable_is(UpstreamGarbage("the model's answer has a shape that cannot be verified")):
        return _kept(choice)


def prompt_text(messages: Iterable[Message]) -> str:
    """Join everything that was said before the answer, oldest first. Raises ``InvalidInput``."""
    with _unreadable_is(InvalidInput("messages: a message has a shape that cannot be read", param="messages")):
        return _joined(messages)


@contextmanager
def _unreadable_is(error: LetheError) -> Iterator[None]:
    try:
        yield
    except _Unreadable:
        raise error from None


def _joined(messages: Iterable[Message]) -> str:
    return "\n".join(text for message in messages for text in _message_texts(message) if text)


def _kept(choice: Choice) -> Choice:
    kept: dict[str, Any] = {"role": "assistant", "content": None}
    for field in _TEXT_FIELDS:
        if choice.message.get(field) is not None:
            kept[field] = _flattened(choice.message[field])
    calls = [_plain_call(call) for call in _sequence(choice.message.get("tool_calls"))]
    if calls:
        kept["tool_calls"] = calls
    return Choice(message=kept, finish_reason=choice.finish_reason)


def _message_texts(message: Message) -> Iterator[str]:
    for field in _TEXT_FIELDS:
        if message.get(field) is not None:
            yield _flattened(message[field])
    for call in _sequence(message.get("tool_calls")):
        plain = _plain_call(call)
        yield plain["function"]["name"]
        yield from _argument_texts(plain["function"]["arguments"])


def _flattened(content: object) -> str:
    """Turn content, a string or a list of parts, into text. Parts without text hold nothing to read."""
    if isinstance(content, str):
        return content
    parts = (part for part in _sequence(content) if part.get("type") in _PART_TYPES)
    return "\n".join(str(part.get("text", "")) for part in parts)


def _plain_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise _Unreadable
    arguments = function.get("arguments", "")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    plain = {"id": str(call.get("id", "")), "type": "function"}
    return {**plain, "function": {"name": function["name"], "arguments": arguments}}


def _argument_texts(arguments: str) -> Iterator[str]:
    """Yield the arguments as written and, since JSON can spell a letter as an escape, as decoded."""
    yield arguments
    if "\\" in arguments:
        try:
            yield json.dumps(json.loads(arguments), ensure_ascii=False)
        except json.JSONDecodeError:
            yield arguments.encode("latin-1", "backslashreplace").decode("unicode_escape", "replace")


def _sequence(value: object) -> Sequence[Mapping[str, Any]]:
    """Read a list of objects, or nothing; any other shape cannot be verified."""
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, Mapping) for v in value):
        return value
    raise _Unreadable
