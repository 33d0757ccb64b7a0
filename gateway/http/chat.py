"""POST /v1/chat/completions: decode, ask, encode. Verified first, then sent, streamed or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gateway.errors import LetheError
from gateway.guard.loop import Outcome
from gateway.http.problems import problem_body
from gateway.http.wire import Asked, ChatBody, completion_body, decode_chat, stream_chunks
from gateway.upstream.protocol import ChatRequest

__all__ = ["Ask", "chat_router"]

Ask: TypeAlias = Callable[[ChatRequest], Awaitable[Outcome]]
"""Answer a request; raises ``LetheError``."""

_STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def chat_router(ask: Ask, *, keep_alive_s: float, disclosed: bool) -> APIRouter:
    """Serve the chat endpoint. ``keep_alive_s`` is the pause between comments on a stream that waits."""
    router = APIRouter()

    @router.post("/v1/chat/completions", openapi_extra=_body_schema(), response_model=None)
    async def chat_completions(request: Request) -> Response:
        """Answer a conversation, streamed where the body asks for it."""
        asked = decode_chat(await request.body())
        work = asyncio.ensure_future(ask(asked.request))
        try:
            if asked.stream:
                return await _streamed(work, asked, keep_alive_s, disclosed)
            outcome = await _unless_gone(request, work)
        except BaseException:
            work.cancel()
            raise
        body = completion_body(outcome, asked.request.model, disclosed=disclosed)
        return Response(orjson.dumps(body), media_type="application/json")

    return router


async def _unless_gone(request: Request, work: asyncio.Future[Outcome]) -> Outcome:
    """Wait for the outcome, or cancel it as soon as the client goes away."""
    gone = asyncio.ensure_future(_disconnected(request))
    both: set[asyncio.Future[Any]] = {work, gone}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise asyncio.CancelledError("the client went away")
        return work.result()
    finally:
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _streamed(work: asyncio.Future[Outcome], asked: Asked, keep_alive_s: float, disclosed: bool) -> Response:
    """Start the stream when the outcome is there or a first pause is over: early errors keep their status."""
    await asyncio.wait({work}, timeout=keep_alive_s)
    if work.done():
        work.result()
    events = _events(work, asked, keep_alive_s, disclosed)
    return StreamingResponse(events, media_type="text/event-stream", headers=_STREAM_HEADERS)


async def _events(
    work: asyncio.Future[Outcome], asked: Asked, keep_alive_s: float, disclosed: bool
) -> AsyncIterator[bytes]:
    try:
        while not work.done():
            yield b": keep-alive\n\n"
            await asyncio.wait({work}, timeout=keep_alive_s)
        try:
            chunks = stream_chunks(
                work.result(), asked.request.model, include_usage=asked.include_usage, disclosed=disclosed
            )
            for chunk in chunks:
                yield b"data: " + chunk + b"\n\n"
        except LetheError as error:
            yield b"data: " + orjson.dumps(problem_body(error)) + b"\n\n"
        yield b"data: [DONE]\n\n"
    finally:
        work.cancel()


def _body_schema() -> dict[str, object]:
    content = {"application/json": {"schema": ChatBody.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
