"""Responses: POST /v1/responses, without a store: each request brings the whole conversation."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import InvalidInput, LetheError
from gateway.guard.channels import verifiable
from gateway.guard.loop import Outcome
from gateway.http.bodies import decoded
from gateway.http.dialects.decoding import check_decoding
from gateway.http.dialects.dialect import Dialect, Telling
from gateway.http.dialects.encoding import disclosure, in_words
from gateway.http.dialects.responses_input import chat_messages, chat_parameters
from gateway.http.problems import problem_body
from gateway.upstream.protocol import ChatRequest, Message, Usage

__all__ = ["RESPONSES", "ResponsesBody"]

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_TEXT_OF: Final = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
"""The kinds of content parts, and the field that holds each one's text."""


class ResponsesBody(BaseModel):
    """The body of POST /v1/responses. What is not listed goes to the model under its chat name, or is refused."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"examples": [{"model": "m", "input": "Which hill?"}]}
    )

    model: str = Field(min_length=1)
    input: str | list[dict[str, Any]] = Field(min_length=1)
    instructions: str | None = None
    stream: bool | None = Field(False, strict=True)


@dataclass(frozen=True, slots=True)
class _AskedResponse:
    requests: tuple[ChatRequest]
    stream: bool
    echoed: Mapping[str, Any]
    id: str = field(default_factory=lambda: f"resp_{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def body(self, outcomes: Sequence[Outcome], *, disclosed: bool) -> dict[str, Any]:
        """Encode a response. A fallback has the shape of any other answer."""
        (outcome,) = outcomes
        why = _INCOMPLETE.get(outcome.choices[0].finish_reason)
        body = {
            **self.response("completed" if why is None else "incomplete"),
            "output": list(_items(verifiable(outcome.choices[0]).message)),
            "usage": _usage(outcome.usage),
            "incomplete_details": None if why is None else {"reason": why},
        }
        return {**body, "lethe": disclosure(outcomes)} if disclosed else body

    def telling(self) -> Telling:
        """See ``Asked``."""
        return _Telling(self)

    def failure(self, error: LetheError) -> Iterator[bytes]:
        """End the stream with an error event."""
        problem = problem_body(error)["error"]
        said = {"code": problem["code"], "message": problem["message"], "param": problem["param"]}
        yield _frame({"type": "error", **said, "sequence_number": 0})

    def response(self, status: str) -> dict[str, Any]:
        """Write a response without output."""
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": status,
            "model": self.requests[0].model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "usage": None,
            "store": False,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            **self.echoed,
        }


class _Telling:
    """Named events, numbered from 0; the last holds the whole response."""

    def __init__(self, asked: _AskedResponse) -> None:
        self._asked = asked
        self._number = 0
        self._told = ""
        self._item = _id("msg")

    def segment(self, text: str) -> Iterator[bytes]:
        """See ``Telling``."""
        if not self._told:
            yield from self._frames(self._begun())
            said = {"id": self._item, "type": "message", "role": "assistant", "status": "in_progress"}
            yield from self._frames(_item_begun({**said, "content": []}, 0))
            yield from self._frames(_part_begun(_text_part(""), self._at))
        self._told += text
        yield from self._frames(_part_deltas(_text_part(text), self._at))

    def end(self, outcomes: Sequence[Outcome], *, disclosed: bool) -> Iterator[bytes]:
        """See ``Telling``."""
        whole = self._asked.body(outcomes, disclosed=disclosed)
        if self._told:
            whole["output"] = [*self._message_first(whole["output"])]
            yield from self._frames(self._message_end(whole["output"][0]))
        else:
            yield from self._frames(self._begun())
        for place, item in enumerate(whole["output"]):
            if place or not self._told:
                yield from self._frames(_item_events(item, place))
        yield from self._frames([{"type": f"response.{whole['status']}", "response": whole}])

    @property
    def _at(self) -> dict[str, Any]:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _begun(self) -> Iterator[dict[str, Any]]:
        begun = self._asked.response("in_progress")
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}

    def _message_first(self, output: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Put the item that was begun in its place: what was thought beside it is told behind it."""
        message = next(item for item in output if item["type"] == "message")
        yield {**message, "id": self._item}
        yield from (item for item in output if item is not message)

    def _message_end(self, item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        text, *others = item["content"]
        yield from _part_deltas({**text, "text": text["text"][len(self._told) :]}, self._at)
        yield from _part_done(text, self._at)
        for index, part in enumerate(others, start=1):
            yield from _part_events(part, {**self._at, "content_index": index})
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}

    def _frames(self, events: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
        for event in events:
            yield _frame({**event, "sequence_number": self._number})
            self._number += 1


def _decode(raw: bytes) -> _AskedResponse:
    body = decoded(ResponsesBody, raw)
    beside = body.model_extra or {}
    parameters = chat_parameters(beside)
    check_decoding(parameters)
    request = ChatRequest(body.model, tuple(chat_messages(body.input, body.instructions)), parameters)
    echoed = ("tools", "tool_choice", "temperature", "top_p", "text", "metadata", "max_output_tokens", "reasoning")
    kept = {name: _sayable(beside[name], name) for name in echoed if beside.get(name) is not None}
    return _AskedResponse((request,), bool(body.stream), {"instructions": body.instructions, **kept})


def _sayable(value: Any, name: str) -> Any:
    """Take what can be said back: JSON numbers have no end, ours have."""
    try:
        orjson.dumps(value)
    except TypeError:
        raise InvalidInput(f"{name}: holds a number that is too large", param=name) from None
    return value


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Write a message as output items: what was thought, said and called."""
    thought = message.get("reasoning_content") or message.get("reasoning")
    if thought:
        content = [{"type": "reasoning_text", "text": thought}]
        yield {"id": _id("rs"), "type": "reasoning", "summary": [], "content": content, "status": "completed"}
    parts = []
    if message.get("content"):
        parts.append(_text_part(message["content"]))
    if message.get("refusal"):
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    calls = message.get("tool_calls") or ()
    if parts or not calls:
        said = {"id": _id("msg"), "type": "message", "role": "assistant", "status": "completed"}
        yield {**said, "content": parts}
    for call in calls:
        called = {"id": _id("fc"), "type": "function_call", "call_id": call["id"], "status": "completed"}
        yield {**called, **call["function"]}


def _item_events(item: Mapping[str, Any], place: int) -> Iterator[dict[str, Any]]:
    """Tell an item piece by piece."""
    yield from _item_begun(item, place)
    at = {"item_id": item["id"], "output_index": place}
    if item["type"] in ("message", "reasoning"):
        for index, part in enumerate(item["content"]):
            yield from _part_events(part, {**at, "content_index": index})
    if item["type"] == "function_call":
        yield {"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]}
        done = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **at, **done}
    yield {"type": "response.output_item.done", "output_index": place, "item": item}


def _item_begun(item: Mapping[str, Any], place: int) -> Iterator[dict[str, Any]]:
    begun = {**item, "status": "in_progress"}
    if item["type"] in ("message", "reasoning"):
        begun["content"] = []
    if item["type"] == "function_call":
        begun["arguments"] = ""
    yield {"type": "response.output_item.added", "output_index": place, "item": begun}


def _part_events(part: Mapping[str, Any], at: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from _part_begun(part, at)
    yield from _part_deltas(part, at)
    yield from _part_done(part, at)


def _part_begun(part: Mapping[str, Any], at: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.content_part.added", **at, "part": {**part, _TEXT_OF[part["type"]]: ""}}


def _part_deltas(part: Mapping[str, Any], at: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind = part["type"]
    for piece in in_words(part[_TEXT_OF[kind]]):
        yield {"type": f"response.{kind}.delta", **at, "delta": piece, **_beside(kind)}


def _part_done(part: Mapping[str, Any], at: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind, name = part["type"], _TEXT_OF[part["type"]]
    yield {"type": f"response.{kind}.done", **at, name: part[name], **_beside(kind)}
    yield {"type": "response.content_part.done", **at, "part": part}


def _beside(kind: str) -> dict[str, Any]:
    return {"logprobs": []} if kind == "output_text" else {}


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _frame(event: Mapping[str, Any]) -> bytes:
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


RESPONSES = Dialect("/v1/responses", ResponsesBody, _decode)
