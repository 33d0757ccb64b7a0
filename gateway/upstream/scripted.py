"""An upstream that says what it was told to say: for tests, examples and recorded texts. Knows no models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import TypeAlias

from gateway.errors import UpstreamError
from gateway.upstream.protocol import Capabilities, ChatRequest, Choice, Completion, Send, Usage

__all__ = ["Script", "ScriptedUpstream"]

Script: TypeAlias = Callable[[ChatRequest], str | UpstreamError | Completion]
"""Given the request: the text to answer, a whole completion, or the error to raise."""


class ScriptedUpstream:
    """Answers by a function of the request, or line by line from a list, the last line for ever.

    ``requests`` keeps what was asked, in order. Raises ``ValueError`` for an empty list.
    """

    def __init__(
        self,
        script: Script | Iterable[str | UpstreamError | Completion],
        *,
        model: str = "scripted",
        capabilities: Capabilities | None = None,
        version: str = "1",
    ) -> None:
        self._script = script if callable(script) else _in_turn(tuple(script))
        self._model = model
        self._version = version
        self.capabilities = capabilities or Capabilities(several_choices=True)
        self.requests: list[ChatRequest] = []
        self.closed = False

    def fingerprint(self, model: str) -> str:
        """Name the script's version: whoever changes the script changes ``version``."""
        return hashlib.sha256(json.dumps(["scripted", model, self._version]).encode()).hexdigest()[:16]

    async def complete(self, request: ChatRequest) -> Completion:
        """Answer ``request.n`` times, or raise what the script says."""
        said = []
        for _ in range(request.n):
            self.requests.append(request)
            said.append(self._script(request))
        for line in said:
            if isinstance(line, UpstreamError):
                raise line
            if isinstance(line, Completion):
                return line
        texts = [line for line in said if isinstance(line, str)]
        choices = tuple(Choice({"role": "assistant", "content": text}, "stop") for text in texts)
        prompt_tokens = sum(len(str(message.get("content", "")).split()) for message in request.messages)
        return Completion(request.model, choices, Usage(prompt_tokens, sum(len(text.split()) for text in texts)))

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """Answer as ``complete`` does, its content letter by letter."""
        completion = await self.complete(request)
        for letter in str(completion.choices[0].message.get("content") or ""):
            await send(letter)
        return completion

    async def models(self) -> tuple[str, ...]:
        """Name the one model."""
        return (self._model,)

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.closed = True


def _in_turn(lines: tuple[str | UpstreamError | Completion, ...]) -> Script:
    if not lines:
        raise ValueError("a script needs at least one line")
    position = 0

    def say(request: ChatRequest) -> str | UpstreamError | Completion:
        nonlocal position
        line = lines[min(position, len(lines) - 1)]
        position += 1
        return line

    return say
