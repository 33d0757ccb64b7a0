"""Any OpenAI-compatible server, over httpx. Knows no topics; passes on no error text of the server's."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from httpx_aiohttp import AiohttpTransport
from httpx_sse import EventSource, SSEError

from gateway.errors import (
    InvalidInput,
    UpstreamGarbage,
    UpstreamRejected,
    UpstreamTimeout,
)
from gateway.upstream.bans import BANNED_ARGUMENT
from gateway.upstream.bounded import UNCOMPRESSED, Bounded
from gateway.upstream.chunks import Chunks, usage_in
from gateway.upstream.exchange import Exchanging, ThroughTransport, Timeouts, failure
from gateway.upstream.protocol import (
    Capabilities,
    ChatRequest,
    Choice,
    Completion,
    EmbeddingRequest,
    Embeddings,
    Send,
)
from gateway.upstream.session import Session
from gateway.upstream.vectors import read_embeddings

__all__ = ["MOST_BYTES", "OpenAIUpstream"]

MOST_BYTES = 50_000_000
"""Longer than any answer of words, and than two thousand vectors."""

_SPARE = 8
"""Connections beside those for answers: looking at a busy server must not wait for it."""
_NO_PATH = "; its base URL has no path, and usually ends in /v1"
_CHOICE_FIELDS = ("index", "message", "text", "finish_reason")


class OpenAIUpstream:
    """A server that speaks the OpenAI dialect: vLLM, llama.cpp, a hosted API.

    ``base_url`` ends in the version path (``…/v1``). Up to ``connections`` are kept and reused: for whole answers
    by aiohttp itself, for streams by httpx over aiohttp; a caller may pass a transport for both.
    An answer of more than ``most_bytes``, or a compressed one, raises ``UpstreamGarbage``.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeouts: Timeouts | None = None,
        capabilities: Capabilities | None = None,
        connections: int = 100,
        most_bytes: int = MOST_BYTES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        limits = timeouts or Timeouts()
        kept = httpx.Limits(max_connections=connections + _SPARE)
        self.capabilities = capabilities or Capabilities(several_choices=True)
        self._base_url = base_url.rstrip("/")
        self._listing_s = limits.read_s
        timeout = httpx.Timeout(
            connect=limits.connect_s, read=limits.read_s, write=limits.write_s, pool=limits.pool_s
        )
        bounded = Bounded(transport or AiohttpTransport(limits=kept), most_bytes)
        self._client = httpx.AsyncClient(
            base_url=self._base_url,
            headers={**UNCOMPRESSED, **({"authorization": f"Bearer {api_key}"} if api_key else {})},
            timeout=timeout,
            transport=bounded,
        )
        headers = {**self._client.headers, "content-type": "application/json"}
        self._whole: Exchanging
        if transport is None:
            most = connections + _SPARE
            self._whole = Session(self._base_url, headers, timeouts=limits, most=most, most_bytes=most_bytes)
        else:
            self._whole = ThroughTransport(bounded, self._base_url, headers, timeout)

    def fingerprint(self, model: str) -> str:
        """Name the server and the model. A server that swaps the weights under one name is not noticed."""
        parts = ["openai", self._base_url, model]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    async def complete(self, request: ChatRequest) -> Completion:
        """POST /chat/completions, or /completions for text to go on from, without streaming."""
        return _completion(await self._exchange("POST", _path(request), self._body(request)), request)

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """POST the same, streaming. Whatever ``send`` raises closes the connection, and so ends the generation."""
        body = {**self._body(request), "stream": True, "stream_options": {"include_usage": True}}
        headers = {"content-type": "application/json", "accept": "text/event-stream"}
        chunks, begun = Chunks(request), False
        try:
            async with self._client.stream(
                "POST", _path(request), content=_encoded(body), headers=headers
            ) as response:
                if response.status_code < 400:
                    begun = True
                self._require_success(response.status_code, response.headers.get("retry-after"))
                async with aclosing(EventSource(response).aiter_sse()) as events:
                    async for event in events:
                        if event.data == "[DONE]":
                            break
                        if text := chunks.take(event.data):
                            await send(text)
        except SSEError as error:
            raise UpstreamGarbage("the model server answered no stream; nothing was passed on") from error
        except httpx.HTTPError as error:
            raise failure(error, answer_begun=begun) from error
        return chunks.completion()

    def _body(self, request: ChatRequest) -> dict[str, Any]:
        said: dict[str, Any] = {"prompt": request.prompt} if request.raw else {"messages": list(request.messages)}
        body = {**request.parameters, "model": request.model, **said}
        if request.n > 1:
            body["n"] = request.n
        if request.banned_words and self.capabilities.banned_words:
            own = body.get("bad_words")
            body["bad_words"] = [*(own if isinstance(own, list) else ()), *request.banned_words]
        if request.banned_words and self.capabilities.every_spelling:
            other = body.get("vllm_xargs")
            body["vllm_xargs"] = {
                **(other if isinstance(other, dict) else {}),
                BANNED_ARGUMENT: request.banned_words,
            }
        return body

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """POST /embeddings."""
        body = {**request.parameters, "model": request.model, "input": list(request.inputs)}
        return read_embeddings(await self._exchange("POST", "/embeddings", body), len(request.inputs))

    async def models(self) -> tuple[str, ...]:
        """GET /models. The whole list has to come within the time that a server has to begin an answer."""
        try:
            async with asyncio.timeout(self._listing_s):
                listing = await self._exchange("GET", "/models", None)
        except TimeoutError:
            raise UpstreamTimeout("the model server did not list its models in time", phase="read") from None
        try:
            return tuple(str(entry["id"]) for entry in listing["data"])
        except (KeyError, TypeError) as error:
            raise UpstreamGarbage("the upstream's list of models has an unknown shape") from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._whole.aclose()
        await self._client.aclose()

    async def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        answer = await self._whole.exchange(method, path, None if body is None else _encoded(body))
        self._require_success(answer.status, answer.retry_after)
        return _json_object(answer.content)

    def _require_success(self, status: int, retry_after: str | None) -> None:
        if status >= 400:
            no_path = status == 404 and not urlsplit(self._base_url).path
            raise UpstreamRejected(
                f"the model server refused the request with status {status}{_NO_PATH if no_path else ''}",
                upstream_status=status,
                retry_after=retry_after,
            )


def _path(request: ChatRequest) -> str:
    return "/completions" if request.raw else "/chat/completions"


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as error:  # a lone surrogate, an integer beyond 64 bits, too deep
        raise InvalidInput("the request holds something that JSON cannot say", param="messages") from error


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UpstreamGarbage("the model server's answer is not JSON; nothing was passed on") from error
    if not isinstance(value, dict):
        raise UpstreamGarbage("the model server's answer has an unknown shape; nothing was passed on")
    return value


def _completion(body: Mapping[str, Any], request: ChatRequest) -> Completion:
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UpstreamGarbage("the model server's answer has no choices; nothing was passed on")
    model = body.get("model")
    return Completion(
        model=model if isinstance(model, str) else request.model,
        choices=tuple(_choice(choice, request.raw) for choice in _in_order(choices)),
        usage=usage_in(body.get("usage")),
    )


def _in_order(choices: Sequence[Any]) -> list[Any]:
    def index(choice: Any) -> int:
        given = choice.get("index") if isinstance(choice, dict) else None
        return given if isinstance(given, int) else 0

    return sorted(choices, key=index)


def _choice(choice: Any, raw: bool) -> Choice:
    if raw and isinstance(choice, dict) and isinstance(choice.get("text"), str):
        choice = {**choice, "message": {"role": "assistant", "content": choice["text"]}}
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise UpstreamGarbage("a choice of the model server's answer has no message; nothing was passed on")
    return Choice(
        message=choice["message"],
        finish_reason=str(choice.get("finish_reason") or "stop"),
        extras={key: value for key, value in choice.items() if key not in _CHOICE_FIELDS},
    )
