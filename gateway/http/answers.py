"""Answers in every dialect: decode, ask, encode. What is sent has been verified, streamed or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, TypeAlias

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute

from gateway.errors import LetheError
from gateway.guard.loop import Outcome
from gateway.guard.streaming import SendOut
from gateway.guard.together import all_of
from gateway.http.bodies import json_body
from gateway.http.dialects.chat import CHAT
from gateway.http.dialects.completions import COMPLETIONS
from gateway.http.dialects.dialect import Asked, Dialect
from gateway.http.dialects.responses import RESPONSES
from gateway.http.documented import answered, asking
from gateway.http.problems import UNEXPECTED
from gateway.http.streams import KEEP_ALIVE, STREAM_HEADERS
from gateway.upstream.protocol import ChatRequest

__all__ = ["DIALECTS", "Ask", "answers_router"]


class Ask(Protocol):
    """Answers a request; raises ``LetheError``.

    With ``send_out`` the content may go there segment by segment, each as it has passed.
    """

    def __call__(self, request: ChatRequest, send_out: SendOut | None = None) -> Coroutine[Any, Any, Outcome]:
        """Give the outcome, of which what was sent is the beginning."""
        ...


_Work: TypeAlias = asyncio.Future[list[Outcome]]
_AT_ONCE_S: Final = 0.05
_Segments: TypeAlias = asyncio.Queue[str | None]

DIALECTS = (CHAT, COMPLETIONS, RESPONSES)
"""All that is spoken here. Every one goes through the same ``ask``, so none is a way around the guard."""


def answers_router(
    ask: Ask,
    *,
    route_class: type[APIRoute],
    keep_alive_s: float,
    disclosed: bool,
    dialects: Sequence[Dialect] = DIALECTS,
) -> APIRouter:
    """Serve the dialects. ``keep_alive_s`` is the pause between comments on a stream that waits.

    ``route_class`` lets nobody through who is not admitted; its endpoints take the request alone.
    """
    router = APIRouter(route_class=route_class)
    for dialect in dialects:
        endpoint = _endpoint(ask, dialect, keep_alive_s, disclosed)
        name = dialect.path.removeprefix("/v1/").replace("/", "_")
        router.add_api_route(
            dialect.path,
            endpoint,
            methods=["POST"],
            name=name,
            response_model=None,
            responses=answered(streams=True),
            openapi_extra=asking(dialect.shape),
        )
    return router


def _endpoint(
    ask: Ask, dialect: Dialect, keep_alive_s: float, disclosed: bool
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def answer(request: Request) -> Response:
        """Answer, streamed where the body asks for it."""
        asked = dialect.decode(await json_body(request))
        if asked.stream:
            return await _streamed(ask, asked, keep_alive_s, disclosed)
        outcomes = await _unless_gone(request, _all(ask, asked.requests))
        return Response(orjson.dumps(asked.body(outcomes, disclosed=disclosed)), media_type="application/json")

    return answer


async def _all(ask: Ask, requests: Sequence[ChatRequest]) -> list[Outcome]:
    if len(requests) == 1:
        return [await ask(requests[0])]
    return await all_of(ask(request) for request in requests)


async def _unless_gone(request: Request, work: Awaitable[list[Outcome]]) -> list[Outcome]:
    """Wait for the outcomes, or cancel them when the client goes away.

    Looking for that takes a task of its own, so it begins when the answer has not come at once.
    """
    loop, here = asyncio.get_running_loop(), asyncio.current_task()
    looking: list[asyncio.Task[None]] = []

    async def look() -> None:
        await _disconnected(request)
        if here is not None:
            here.cancel("the client went away")

    later = loop.call_later(_AT_ONCE_S, lambda: looking.append(loop.create_task(look())))
    try:
        return await work
    finally:
        later.cancel()
        for task in looking:
            task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _streamed(ask: Ask, asked: Asked, keep_alive_s: float, disclosed: bool) -> Response:
    """Start the stream when there is something to tell or a pause is over: early errors keep their status."""
    segments: _Segments = asyncio.Queue()
    if len(asked.requests) == 1:
        one = ask(asked.requests[0], segments.put_nowait)
        work = asyncio.ensure_future(_closing(segments, all_of([one])))
    else:
        work = asyncio.ensure_future(_closing(segments, _all(ask, asked.requests)))
    try:
        first = await _next(segments, keep_alive_s)
        if first is None:
            work.result()
    except BaseException:
        work.cancel()
        raise
    events = _events(work, segments, first, asked, keep_alive_s, disclosed)
    return StreamingResponse(events, media_type="text/event-stream", headers=STREAM_HEADERS)


async def _closing(segments: _Segments, work: Awaitable[list[Outcome]]) -> list[Outcome]:
    """Say behind the last segment that there is none any more."""
    try:
        return await work
    finally:
        segments.put_nowait(None)


async def _next(segments: _Segments, keep_alive_s: float) -> str | None:
    """Wait for the next segment: None where the work has ended, an empty text where a pause is over."""
    try:
        return await asyncio.wait_for(segments.get(), keep_alive_s)
    except TimeoutError:
        return ""


async def _events(
    work: _Work, segments: _Segments, first: str | None, asked: Asked, keep_alive_s: float, disclosed: bool
) -> AsyncIterator[bytes]:
    try:
        telling, segment = asked.telling(), first
        while segment is not None:
            for event in telling.segment(segment) if segment else (KEEP_ALIVE,):
                yield event
            segment = await _next(segments, keep_alive_s)
        try:
            events = list(telling.end(await work, disclosed=disclosed))
        except LetheError as error:
            events = list(asked.failure(error))
        except Exception:  # the stream must end in a way that clients know, and tell nothing
            for event in asked.failure(LetheError(UNEXPECTED)):
                yield event
            raise
        for event in events:
            yield event
    finally:
        work.cancel()
