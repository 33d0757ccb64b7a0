"""A server of the OpenAI dialect that answers as the demo's model does, and hides its answers where it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from attacks.hiding import CHANNELS, CODES, hidden_in
from gateway.errors import LetheError
from gateway.upstream.protocol import ChatRequest, Upstream

__all__ = ["MODEL", "Hiding"]

MODEL: Final = "lethe-demo"
_OWN: Final = frozenset({"model", "messages", "prompt", "n", "stream", "stream_options", "user"})
_DECODING: Final = frozenset({"temperature", "max_tokens", "stop", "seed", "top_p"})
"""What the demo's model can do with a client's wishes; this server ignores the rest, as many do."""


@dataclass(frozen=True, slots=True)
class _Written:
    """What the model wrote, and why it ended."""

    text: str
    end: str


class Hiding:
    """Answers by ``model``. A request's ``user`` says where the answer goes: ``NAME/NUMBER`` of ``hidden_in``.

    ``error`` puts it into an error and its headers, ``one more`` beside an answer as a second choice, ``letters``
    tells it letter by letter, one a turn. ``said`` keeps what was hidden, by ``user``.
    """

    def __init__(self, model: Upstream) -> None:
        self._model = model
        self._number = count()
        self.said: dict[str, list[str]] = {}

    def app(self) -> Starlette:
        """Put it behind the routes of such a server."""
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/completions", self._text, methods=["POST"]),
            Route("/v1/embeddings", self._embed, methods=["POST"]),
            Route("/v1/models", self._models),
        ]
        return Starlette(routes=routes)

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def _embed(self, request: Request) -> Response:
        inputs = (await request.json())["input"]
        given = [inputs] if isinstance(inputs, str) else inputs
        data = [{"object": "embedding", "index": i, "embedding": [0.5, 0.5]} for i in range(len(given))]
        return JSONResponse({"object": "list", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}})

    async def _text(self, request: Request) -> Response:
        body = await request.json()
        answers = await self._answers(ChatRequest.going_on(MODEL, body["prompt"], _wishes(body), body.get("n", 1)))
        choices = [{"index": i, "text": one.text, "finish_reason": one.end} for i, one in enumerate(answers)]
        return _streamed(choices) if body.get("stream") else JSONResponse(_whole(choices))

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        asked = ChatRequest(MODEL, _readable(body["messages"]), _wishes(body), body.get("n", 1))
        written = await self._answers(asked)
        answers = [one.text for one in written]
        user = str(body.get("user", "content"))
        place = user.partition("/")[0]
        self.said.setdefault(user, []).extend(answers)
        if place == "error":
            return _error(answers[0])
        if place == "letters":
            answers = [_letter(answers[0], body["messages"])]
        hide = hidden_in(place if place in CHANNELS or place in CODES else "content")
        choices = [{"index": i, **hide(text)} for i, text in enumerate(answers)]
        if place == "content":
            choices = [{**choice, "finish_reason": one.end} for choice, one in zip(choices, written, strict=True)]
        if place == "one more":
            choices = [{"index": 0, **hide("Good morning.")}, {**choices[0], "index": 1}]
        return (
            _streamed(choices)
            if body.get("stream")
            else JSONResponse(_whole(choices), headers=_headers(user, answers))
        )

    async def _answers(self, request: ChatRequest) -> list[_Written]:
        try:
            completion = await self._model.complete(request)
        except LetheError:
            return [_Written("", "stop")] * request.n
        return [_Written(str(choice.message["content"]), choice.finish_reason) for choice in completion.choices]


def _wishes(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in _DECODING & body.keys() if body[name] is not None}


def _readable(messages: list[dict[str, Any]]) -> tuple[dict[str, str], ...]:
    """Give the demo's model turns of the kinds that it knows: what tools gave back is said by the user."""
    known = ("system", "user", "assistant")
    return tuple(
        {"role": m["role"] if m["role"] in known else "user", "content": str(m.get("content") or "")}
        for m in messages
    )


def _letter(text: str, messages: list[dict[str, Any]]) -> str:
    """Give the next letter of the answer's last word: one for each answer before."""
    told = sum(message["role"] == "assistant" for message in messages)
    word = text.rstrip(". ").rpartition(" ")[2]
    return word[told : told + 1] or "."


def _whole(choices: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": choices,
        "usage": usage,
    }


def _headers(user: str, answers: list[str]) -> dict[str, str]:
    return {"x-answer": answers[0].encode("ascii", "replace").decode()} if user.startswith("headers") else {}


def _error(text: str) -> Response:
    said = text.encode("ascii", "replace").decode()
    error = {"message": text, "type": "invalid_request_error", "param": text, "code": text}
    return JSONResponse({"error": error}, 400, headers={"x-error": said, "retry-after": "1"})


def _streamed(choices: list[dict[str, Any]]) -> Response:
    async def events() -> AsyncIterator[bytes]:
        for choice in choices:
            message = choice.get("message") or {}
            content = choice.get("text") or message.get("content")
            pieces = content.split(" ") if isinstance(content, str) else []
            for at, piece in enumerate(pieces):
                yield _chunk(choice, _delta(choice, piece if at == 0 else f" {piece}"))
            rest = {name: value for name, value in message.items() if name not in ("role", "content")}
            if isinstance(content, list):
                rest["content"] = content
            last = {key: value for key, value in choice.items() if key not in ("message", "text")}
            yield _chunk(choice, {**last, **({"delta": rest} if message else {"text": ""})})
        yield b"data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _delta(choice: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"delta": {"content": text}} if "message" in choice else {"text": text}


def _chunk(choice: Mapping[str, Any], part: Mapping[str, Any]) -> bytes:
    chunk = {"id": "c", "model": MODEL, "choices": [{"index": choice["index"], "finish_reason": None, **part}]}
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
