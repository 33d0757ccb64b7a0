"""The chat dialect on the wire: a client's body to a request, an outcome to a body. Holds no logic."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import InvalidInput
from gateway.guard.loop import Outcome, Released
from gateway.guard.policy import Bounded, Open
from gateway.upstream.protocol import ChatRequest, Choice, Usage

__all__ = ["Asked", "ChatBody", "completion_body", "decode_chat", "disclosure", "stream_chunks"]


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    include_usage: bool = False


class ChatBody(BaseModel):
    """The body of POST /v1/chat/completions. Fields that are not listed travel on to the model untouched."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1)
    messages: list[_Message] = Field(min_length=1)
    stream: bool = False
    stream_options: _StreamOptions | None = None
    n: int = Field(1, ge=1, le=16)


@dataclass(frozen=True, slots=True)
class Asked:
    """A decoded body: what to ask of the guard, and how the client wants to be answered."""

    request: ChatRequest
    stream: bool
    include_usage: bool


def decode_chat(raw: bytes) -> Asked:
    """Decode a body. Raises ``InvalidInput`` naming the field, quoting nothing of it."""
    try:
        body = ChatBody.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise InvalidInput("the body is not valid JSON") from None
        param = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{param or 'the body'}: {first['msg']}", param=param or None) from None
    request = ChatRequest(
        model=body.model,
        messages=tuple(message.model_dump() for message in body.messages),
        parameters=body.model_extra or {},
        n=body.n,
    )
    return Asked(request, body.stream, bool(body.stream_options and body.stream_options.include_usage))


def completion_body(outcome: Outcome, model: str, *, disclosed: bool) -> dict[str, Any]:
    """Encode an outcome as a chat completion. A fallback has the shape of any other answer."""
    body: dict[str, Any] = {
        "id": _id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {"index": index, "logprobs": None, **choice.extras, **_essence(choice)}
            for index, choice in enumerate(outcome.choices)
        ],
        "usage": _usage(outcome.usage),
    }
    return {**body, "lethe": disclosure(outcome)} if disclosed else body


def stream_chunks(outcome: Outcome, model: str, *, include_usage: bool, disclosed: bool) -> Iterator[bytes]:
    """Encode an outcome as the data of server-sent events, without the closing ``[DONE]``."""
    head = {"id": _id(), "object": "chat.completion.chunk", "created": int(time.time()), "model": model}
    usage: dict[str, Any] = {"usage": None} if include_usage else {}
    for index, choice in enumerate(outcome.choices):
        for delta in _deltas(choice):
            piece = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
            yield orjson.dumps({**head, "choices": [piece], **usage})
        last = {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.finish_reason}
        marks = {"lethe": disclosure(outcome)} if disclosed else {}
        yield orjson.dumps({**head, "choices": [last], **usage, **marks})
    if include_usage:
        yield orjson.dumps({**head, "choices": [], "usage": _usage(outcome.usage)})


def disclosure(outcome: Outcome) -> dict[str, Any]:
    """Say what the loop did. For operators: it tells whoever reads it that something is being forgotten."""
    rule = outcome.rule
    return {
        "outcome": "released" if isinstance(outcome, Released) else "fallback",
        "reason": None if isinstance(outcome, Released) else outcome.reason,
        "guarded": not isinstance(rule, Open),
        "certificate": rule.certificate_id if isinstance(rule, Bounded) else None,
        "rounds": outcome.rounds,
        "generations": outcome.generations,
        "usage_total": _usage(outcome.usage_total),
    }


def _essence(choice: Choice) -> dict[str, Any]:
    message = {"refusal": None, **choice.message}
    return {"message": message, "finish_reason": choice.finish_reason}


def _deltas(choice: Choice) -> Iterator[dict[str, Any]]:
    """Cut a message into deltas: the role, then the texts word by word, then the tool calls."""
    yield {"role": "assistant", "content": ""}
    for field in ("reasoning_content", "reasoning", "refusal", "content"):
        text = choice.message.get(field)
        if isinstance(text, str):
            for piece in _words(text):
                yield {field: piece}
    for position, call in enumerate(choice.message.get("tool_calls") or ()):
        yield {"tool_calls": [{"index": position, **call}]}


def _words(text: str) -> Sequence[str]:
    """Cut a text behind its blanks, so that the pieces join to the very same text."""
    pieces, start = [], 0
    for position, (letter, following) in enumerate(pairwise(text), start=1):
        if letter.isspace() and not following.isspace():
            pieces.append(text[start:position])
            start = position
    return [*pieces, text[start:]] if text else []


def _id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"


def _usage(usage: Usage) -> dict[str, int]:
    total = usage.prompt_tokens + usage.completion_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": total,
    }
