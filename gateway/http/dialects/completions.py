"""Text completions: POST /v1/completions. A prompt is text that the model goes on from, with no turns."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import InvalidInput, LetheError
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
    total_usage,
    usage_body,
)
from gateway.upstream.protocol import ChatRequest, Choice

__all__ = ["COMPLETIONS", "CompletionsBody"]

_MOST_PROMPTS: Final = 64
_MOST_CHOICES: Final = 64
_UNREAD: Final = frozenset({"prompt_embeds", "prompt_token_ids"})
"""What some servers take for a prompt, and nobody can read."""


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    include_usage: bool = Field(False, strict=True)


class CompletionsBody(BaseModel):
    """The body of POST /v1/completions. Fields that are not listed travel on to the model untouched."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"examples": [{"model": "m", "prompt": "The tallest hill is"}]}
    )

    model: str = Field(min_length=1)
    prompt: str | list[str] | list[int] | list[list[int]] = Field(min_length=1)
    stream: bool | None = Field(False, strict=True)
    stream_options: _StreamOptions | None = None
    n: int | None = Field(1, ge=1, le=16, strict=True)
    echo: bool | None = Field(False, strict=True)
    suffix: str | None = None
    best_of: int | None = Field(None, ge=1, le=20, strict=True)


@dataclass(frozen=True, slots=True)
class _AskedCompletions:
    requests: tuple[ChatRequest, ...]
    stream: bool
    include_usage: bool
    echo: bool

    def body(self, outcomes: Sequence[Outcome], *, disclosed: bool) -> dict[str, Any]:
        """Encode all prompts' choices, in their order."""
        choices = [
            {"index": index, "text": text, "logprobs": None, **choice.extras, **_end(choice)}
            for index, text, choice in self.choices(outcomes)
        ]
        body = {**self.head(), "choices": choices, "usage": usage_body(total_usage(outcomes))}
        return {**body, "lethe": disclosure(outcomes)} if disclosed else body

    def telling(self) -> Telling:
        """See ``Asked``."""
        return _Telling(self)

    def failure(self, error: LetheError) -> Iterator[bytes]:
        """See ``Asked``."""
        return data_failure(error)

    def choices(self, outcomes: Sequence[Outcome]) -> Iterator[tuple[int, str, Choice]]:
        """Number all choices, each with its text, behind the prompt where that is wanted back."""
        each = (
            (request.prompt if self.echo else "", choice)
            for request, outcome in zip(self.requests, outcomes, strict=True)
            for choice in outcome.choices
        )
        for index, (before, choice) in enumerate(each):
            yield index, before + _text(choice), choice

    def head(self) -> dict[str, Any]:
        """Write what every chunk begins with."""
        return {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": self.requests[0].model,
        }


class _Telling:
    """Chunks, usage where it is wanted, and ``[DONE]``."""

    def __init__(self, asked: _AskedCompletions) -> None:
        self._asked = asked
        self._head = asked.head()
        self._usage: dict[str, Any] = {"usage": None} if asked.include_usage else {}
        self._told = 0

    def segment(self, text: str) -> Iterator[bytes]:
        """See ``Telling``."""
        if not self._told and self._asked.echo:
            text = self._asked.requests[0].prompt + text
        self._told += len(text)
        for piece in in_words(text):
            yield self._chunk(0, piece)

    def end(self, outcomes: Sequence[Outcome], *, disclosed: bool) -> Iterator[bytes]:
        """See ``Telling``."""
        for index, text, choice in self._asked.choices(outcomes):
            for piece in in_words(text[self._told :]):
                yield self._chunk(index, piece)
            last = {"index": index, "text": "", "logprobs": None, **choice.extras, **_end(choice)}
            marks = {"lethe": disclosure(outcomes)} if disclosed else {}
            yield data_frame({**self._head, "choices": [last], **self._usage, **marks})
        if self._asked.include_usage:
            yield data_frame({**self._head, "choices": [], "usage": usage_body(total_usage(outcomes))})
        yield DONE

    def _chunk(self, index: int, text: str) -> bytes:
        part = {"index": index, "text": text, "logprobs": None, "finish_reason": None}
        return data_frame({**self._head, "choices": [part], **self._usage})


def _decode(raw: bytes) -> _AskedCompletions:
    body = decoded(CompletionsBody, raw)
    if body.suffix:
        raise InvalidInput("suffix: only text that goes on from a prompt is served", param="suffix")
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise InvalidInput("best_of: ask for n choices instead; each is verified", param="best_of")
    parameters = dict(body.model_extra or {})
    check_decoding(parameters)
    if unread := sorted(_UNREAD & parameters.keys()):
        raise InvalidInput(f"{unread[0]}: only words can be verified", param=unread[0])
    if body.echo:  # the prompt is put before the answer here, and nobody knows its probabilities
        parameters.pop("logprobs", None)
    requests = tuple(
        ChatRequest.going_on(body.model, text, parameters, body.n or 1) for text in _texts(body.prompt)
    )
    if len(requests) * (body.n or 1) > _MOST_CHOICES:
        raise InvalidInput(f"prompt: at most {_MOST_CHOICES} choices in one request", param="prompt")
    include_usage = bool(body.stream_options and body.stream_options.include_usage)
    return _AskedCompletions(requests, bool(body.stream), include_usage, bool(body.echo))


def _text(choice: Choice) -> str:
    """Give the answer's text; this dialect has no place of its own for a refusal."""
    return str(choice.message.get("content") or choice.message.get("refusal") or "")


def _end(choice: Choice) -> dict[str, str]:
    return {"finish_reason": choice.finish_reason}


def _texts(prompt: str | Sequence[Any]) -> list[str]:
    """Take prompts that can be read: numbers of tokens could say anything."""
    texts = [prompt] if isinstance(prompt, str) else list(prompt)
    if len(texts) > _MOST_PROMPTS:
        raise InvalidInput(f"prompt: at most {_MOST_PROMPTS} in one request", param="prompt")
    if not all(isinstance(text, str) and text for text in texts):
        raise InvalidInput("prompt: must be text, or a list of texts; tokens cannot be verified", param="prompt")
    return texts


COMPLETIONS = Dialect("/v1/completions", CompletionsBody, _decode)
