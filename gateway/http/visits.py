"""A visit: what one request of a client's carries along, from its admission to its last byte. Knows no routes."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clients import Client
from gateway.http.clients import present_client
from gateway.limits import Meters

__all__ = ["Visit", "Visits", "admit", "admitting", "duration", "present_visit"]

_PRESENT: Final[ContextVar[Visit]] = ContextVar("lethe_visit")


class Visit:
    """One request against its key's limits, and the headers that its answer gets. Begins once, ends once."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self._client: Client | None = None
        self.revision: int | None = None
        self._running = False

    def begin(self, client: Client) -> None:
        """Let the client in, or raise ``RateLimited``, whose answer has the headers as well."""
        self._client = client
        self._meters.enter(client)
        self._running = True

    def spend(self, tokens: int) -> None:
        """Charge what an answer cost."""
        if self._client is not None:
            self._meters.spend(self._client, tokens)

    def end(self) -> None:
        """Make room for the key's next request."""
        if self._running and self._client is not None:
            self._running = False
            self._meters.leave(self._client)

    @property
    def has_headers(self) -> bool:
        """Say whether ``write_headers`` may have anything to say."""
        return self.revision is not None or (self._client is not None and self._client.key is not None)

    def write_headers(self, headers: MutableHeaders) -> None:
        """Say how the key's limits stand, as OpenAI does, and the ``revision`` where it was set to be told."""
        if self.revision is not None:
            headers["x-lethe-revision"] = str(self.revision)
        if self._client is None:
            return
        for what, standing in self._meters.standing(self._client).items():
            headers[f"x-ratelimit-limit-{what}"] = str(standing.limit)
            headers[f"x-ratelimit-remaining-{what}"] = str(standing.remaining)
            headers[f"x-ratelimit-reset-{what}"] = duration(standing.full_in_s)


class Visits:
    """Gives every request its visit, in ``request.state.visit``, and ends it whatever happens. Pure ASGI."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self._app = app
        self._meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(self._meters)
        scope.setdefault("state", {})["visit"] = visit

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and visit.has_headers:
                visit.write_headers(MutableHeaders(scope=message))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            visit.end()


async def admit(request: Request) -> None:
    """Let the request in by its key's limits: the dependency after ``client_check``, before any body is read."""
    visit: Visit = request.state.visit
    visit.begin(present_client())
    _PRESENT.set(visit)


def admitting(check: Callable[[Request], Awaitable[None]]) -> type[APIRoute]:
    """Make the routes ``check`` who asks and ``admit`` them, before any body is read.

    As dependencies would, at a fraction of their cost; an endpoint takes the request alone, and reads it itself.
    """

    class Admitting(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            answer: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint

            async def handle(request: Request) -> Response:
                await check(request)
                await admit(request)
                return await answer(request)

            return handle

    return Admitting


def present_visit() -> Visit:
    """Give the visit of the request that is being answered. Raises ``LookupError`` where none was admitted."""
    return _PRESENT.get()


def duration(seconds: float) -> str:
    """Write a time as OpenAI's headers do: ``20ms``, ``1s``, ``6m0s``. Rounded up."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
