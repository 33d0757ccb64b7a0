"""Chat completions: POST /v1/chat/completions. Holds no logic."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import urandom
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import LetheError
from gateway.guard.loop import Outcome
from gateway.http.bodies import decoded
from gateway.http.dialects.decoding import check_decoding
from gateway.http.dialects.dialect import Dialect, Telling
from gateway.http.dialects.encoding import (
    DONE,
    data_failure,
    data_frame,
    disclosure,
    in_words,
    usage_body,
)
from gateway.upstream.protocol import ChatRequest, Choice

__all__ = ["CHAT", "ChatBody"]

_TEXTS: Final = ("reasoning_content", "reasoning", "refusal", "content")
_TOLD: Final = frozenset({"role", "tool_calls", *_TEXTS})


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    include_usage: bool = Field(False, strict=True)


class ChatBody(BaseModel):
    """The body of POST /v1/chat/completions. Fields that are not listed travel on to the model untouched."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"examples": [{"model": "m", "messages": [{"role": "user", "content": "Which hill?"}]}]},
    )

    model: str = Field(min_length=1)
    messages: list[_Message] = Field(min_length=1)
    stream: bool | None = Field(False, strict=True)
    stream_options: _StreamOptions | None = None
    n: int | None = Field(1, ge=1, le=16, strict=True)


@dataclass(frozen=True, slots=True)
class _AskedChat:
    requests: tuple[ChatRequest]
    stream: bool
    include_usage: bool

    def body(self, outcomes: Sequence[Outcome], *, disclosed: bool) -> dict[str, Any]:
        """Encode as a chat completion. A fallback has the shape of any other answer."""
        (outcome,) = outcomes
        body: dict[str, Any] = {
            **self._head("chat.completion"),
            "choices": [
                {"index": index, "logprobs": None, **choice.extras, **_essence(choice)}
                for index, choice in enumerate(outcome.choices)
            ],
            "usage": usage_body(outcome.usage),
        }
        return {**body, "lethe": disclosure(outcomes)} if disclosed else body

    def telling(self) -> Telling:
        """See ``Asked``."""
        return _Telling(self._head("chat.completion.chunk"), self.include_usage)

    def failure(self, error: LetheError) -> Iterator[bytes]:
        """See ``Asked``."""
        return data_failure(error)

    def _head(self, kind: str) -> dict[str, Any]:
        model = self.requests[0].model
        return {"id": f"chatcmpl-{urandom(16).hex()}", "object": kind, "created": int(time.time()), "model": model}


class _Telling:
    """Chunks, usage where it is wanted, and ``[DONE]``."""

    def __init__(self, head: dict[str, Any], include_usage: bool) -> None:
        self._head = head
        self._include_usage = include_usage
        self._usage: dict[str, Any] = {"usage": None} if include_usage else {}
        self._told = 0

    def segment(self, text: str) -> Iterator[bytes]:
        """See ``Telling``."""
        if not self._told:
            yield self._chunk(0, _begun(""))
        self._told += len(text)
        for piece in in_words(text):
            yield self._chunk(0, {"content": piece})

    def end(self, outcomes: Sequence[Outcome], *, disclosed: bool) -> Iterator[bytes]:
        """See ``Telling``."""
        (outcome,) = outcomes
        for index, choice in enumerate(outcome.choices):
            for delta in _deltas(choice, self._told):
                yield self._chunk(index, delta)
            told = {"logprobs": None, **choice.extras, "finish_reason": choice.finish_reason}
            last = {"index": index, "delta": {}, **told}
            marks = {"lethe": disclosure(outcomes)} if disclosed else {}
            yield data_frame({**self._head, "choices": [last], **self._usage, **marks})
        if self._include_usage:
            yield data_frame({**self._head, "choices": [], "usage": usage_body(outcome.usage)})
        yield DONE

    def _chunk(self, index: int, delta: dict[str, Any]) -> bytes:
        piece = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return data_frame({**self._head, "choices": [piece], **self._usage})


def _decode(raw: bytes) -> _AskedChat:
    body = decoded(ChatBody, raw)
    check_decoding(body.model_extra or {})
    request = ChatRequest(
        model=body.model,
        messages=tuple(message.model_dump() for message in body.messages),
        parameters=body.model_extra or {},
        n=body.n or 1,
    )
    return _AskedChat(
        (request,), bool(body.stream), bool(body.stream_options and body.stream_options.include_usage)
    )


def _essence(choice: Choice) -> dict[str, Any]:
    message = {"refusal": None, **choice.message}
    return {"message": message, "finish_reason": choice.finish_reason}


def _begun(content: object) -> dict[str, Any]:
    return {"role": "assistant", "content": "" if isinstance(content, str) else None}


def _deltas(choice: Choice, told: int) -> Iterator[dict[str, Any]]:
    """Cut a message into deltas: the role, the texts word by word, the tool calls; what else it has, whole.

    Of the content, ``told`` characters have been told already, and with them the role.
    """
    if not told:
        yield _begun(choice.message.get("content"))
    for field in _TEXTS:
        text = choice.message.get(field)
        if isinstance(text, str):
            for piece in in_words(text[told:] if field == "content" else text):
                yield {field: piece}
    rest = {name: said for name, said in choice.message.items() if name not in _TOLD and said is not None}
    if rest:
        yield rest
    for position, call in enumerate(choice.message.get("tool_calls") or ()):
        yield {"tool_calls": [{"index": position, **call}]}


CHAT = Dialect("/v1/chat/completions", ChatBody, _decode)
