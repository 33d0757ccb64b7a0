"""A streamed answer put together from an OpenAI-compatible server's chunks. Knows no connection and no topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from gateway.errors import UpstreamGarbage, UpstreamUnreachable
from gateway.upstream.protocol import ChatRequest, Choice, Completion, Usage

__all__ = ["Chunks", "usage_in"]

_TEXTS: Final = ("content", "reasoning_content", "reasoning", "refusal")


class Chunks:
    """The message so far. Raises ``UpstreamGarbage`` for a chunk of unknown shape: nothing of it is passed on."""

    def __init__(self, request: ChatRequest) -> None:
        self._raw = request.raw
        self._model = request.model
        self._message: dict[str, Any] = {"role": "assistant", "content": None}
        self._calls: dict[int, dict[str, Any]] = {}
        self._finish: str | None = None
        self._usage = Usage()

    def take(self, data: str) -> str:
        """Add one event's data; returns what it adds to the content."""
        chunk = _object(data)
        if "error" in chunk:
            raise UpstreamUnreachable("the model server broke its answer off with an error", answer_begun=True)
        model = chunk.get("model")
        self._model = model if isinstance(model, str) and model else self._model
        if chunk.get("usage") is not None:
            self._usage = usage_in(chunk["usage"])
        choices = chunk.get("choices")
        if not isinstance(choices, list) or len(choices) > 1:
            raise _garbage()
        return self._choice(choices[0]) if choices else ""

    def completion(self) -> Completion:
        """Give the whole answer. Raises ``UpstreamUnreachable`` where the stream ended before its end."""
        if self._finish is None:
            raise UpstreamUnreachable("the model server broke off in the middle of its answer", answer_begun=True)
        calls = [self._calls[index] for index in sorted(self._calls)]
        message = {**self._message, **({"tool_calls": calls} if calls else {})}
        return Completion(self._model, (Choice(message, self._finish),), self._usage)

    def _choice(self, choice: Any) -> str:
        delta = _part(choice)
        if choice.get("index", 0) != 0:
            raise _garbage()  # nobody asked for a second answer, and its text must not run into the first
        delta = {"content": delta.get("text")} if self._raw else _part(delta.get("delta") or {})
        if isinstance(choice.get("finish_reason"), str):
            self._finish = choice["finish_reason"]
        for name in _TEXTS:
            if (said := delta.get(name)) is not None:
                self._message[name] = (self._message.get(name) or "") + _text(said)
        for call in _list(delta.get("tool_calls")):
            self._call(_part(call))
        return _text(delta.get("content") or "")

    def _call(self, piece: Mapping[str, Any]) -> None:
        index = piece.get("index", 0)
        if not isinstance(index, int):
            raise _garbage()
        function = _part(piece.get("function") or {})
        call = self._calls.setdefault(
            index, {"id": piece.get("id"), "type": "function", "function": {"name": "", "arguments": ""}}
        )
        for name in ("name", "arguments"):
            call["function"][name] += _text(function.get(name) or "")


def usage_in(usage: Any) -> Usage:
    """Read a count of tokens; what is not one counts as none."""
    if not isinstance(usage, dict):
        return Usage()
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    return Usage(*(count if isinstance(count, int) and count > 0 else 0 for count in counts))


def _object(data: str) -> dict[str, Any]:
    try:
        return _part(orjson.loads(data))
    except orjson.JSONDecodeError as error:
        raise _garbage() from error


def _part(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _garbage()
    return value


def _list(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise _garbage()
    return value or []


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _garbage()
    return value


def _garbage() -> UpstreamGarbage:
    return UpstreamGarbage("the model server's stream has an unknown shape; nothing of it was passed on")
