"""The prompts file: held-out prompts to calibrate on, one JSON object a line. Knows no verifiers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import InvalidInput
from gateway.upstream.protocol import ChatRequest, Message

__all__ = ["Prompt", "PromptSet", "parse_prompts", "prompt_line", "read_prompts"]


_NOT_PARAMETERS = frozenset({"messages", "model", "n", "stream", "stream_options"})


class _Line(BaseModel):
    """One line of the file, as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str | None = Field(None, min_length=1)
    prompt: str | None = Field(None, min_length=1)
    messages: list[dict[str, Any]] | None = Field(None, min_length=1)
    parameters: dict[str, Any] = {}
    forbidden: list[str] | None = None
    benign: bool = False
    topic: str | None = None
    unit: str | None = None
    groups: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_question(self) -> _Line:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either `prompt` (a text) or `messages` (a list of chat messages)")
        if self.benign and self.forbidden:
            raise ValueError("a benign prompt has nothing forbidden")
        if not self.benign and self.forbidden == []:
            raise ValueError("`forbidden` is empty, so no answer could be a leak; fill it or leave it out")
        if taken := _NOT_PARAMETERS & self.parameters.keys():
            raise ValueError(f"`parameters` cannot set {', '.join(sorted(taken))}")
        return self


@dataclass(frozen=True, slots=True)
class Prompt:
    """One held-out prompt.

    ``forbidden`` are the strings that must not be in an answer, None where labels come from elsewhere;
    ``unit`` joins prompts that ask for the same thing: they count as one in the guarantee.
    """

    id: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any]
    forbidden: tuple[str, ...] | None
    benign: bool
    topic: str | None
    unit: str
    groups: Mapping[str, str]

    def request(self, model: str) -> ChatRequest:
        """Ask it of a model."""
        return ChatRequest(model=model, messages=self.messages, parameters=self.parameters)


@dataclass(frozen=True, slots=True)
class PromptSet:
    """All prompts of a file, and a fingerprint of its contents."""

    prompts: tuple[Prompt, ...]
    fingerprint: str


def read_prompts(path: Path) -> PromptSet:
    """Read a prompts file. Raises ``InvalidInput`` naming the file, the line and what is wrong with it."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read the prompts file {path}: {error.strerror}") from error
    return parse_prompts(raw, str(path))


def parse_prompts(raw: bytes, where: str) -> PromptSet:
    """Read a prompts file's contents. Raises ``InvalidInput`` naming it, by ``where``, and the line."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{where} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    prompts: dict[str, Prompt] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            prompt = _prompt(line, f"{where}, line {number}", f"line-{number}")
            if prompt.id in prompts:
                raise InvalidInput(f"{where}, line {number}: the id {prompt.id!r} was used before")
            prompts[prompt.id] = prompt
    if not any(not prompt.benign for prompt in prompts.values()):
        raise InvalidInput(f"{where} holds no prompt that probes a forget topic; nothing can be calibrated on it")
    return PromptSet(tuple(prompts.values()), hashlib.sha256(raw).hexdigest()[:16])


def prompt_line(prompt: Prompt) -> str:
    """Encode a prompt as a line of the file, newline included, all that was left to a default said. Sensitive."""
    said = {
        "id": prompt.id,
        "messages": list(prompt.messages),
        **({"parameters": dict(prompt.parameters)} if prompt.parameters else {}),
        **({} if prompt.forbidden is None else {"forbidden": list(prompt.forbidden)}),
        **({"benign": True} if prompt.benign else {}),
        **({} if prompt.topic is None else {"topic": prompt.topic}),
        "unit": prompt.unit,
        **({"groups": dict(prompt.groups)} if prompt.groups else {}),
    }
    return json.dumps(said, ensure_ascii=False) + "\n"


def _prompt(line: str, where: str, default_id: str) -> Prompt:
    try:
        said = _Line.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{where}: {f'{field}: ' if field else ''}{first['msg']}") from None
    id_ = said.id or default_id
    messages = said.messages or [{"role": "user", "content": said.prompt}]
    return Prompt(
        id=id_,
        messages=tuple(messages),
        parameters=said.parameters,
        forbidden=None if said.forbidden is None else tuple(said.forbidden),
        benign=said.benign,
        topic=said.topic,
        unit=said.unit or id_,
        groups=said.groups,
    )
