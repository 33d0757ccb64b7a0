"""The answering paths handed straight to their endpoints, past the router. Pure ASGI; knows no dialect."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, TypeAlias

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import LetheError
from gateway.http.problems import on_gone, on_lethe_error

__all__ = ["Direct", "endpoints_of"]

_METHOD: Final = "POST"

Endpoint: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


class Direct:
    """Answers a POST to one of ``endpoints``, by path, as the router behind it would; all else goes there.

    What the router does more (matching every route, an exit stack, dependencies) costs as much as reading the
    request, and these endpoints need none of it.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        endpoint = self._endpoints.get(scope["path"]) if scope.get("method") == _METHOD else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except LetheError as error:
            response = await on_lethe_error(request, error)
        except ClientDisconnect as error:
            response = await on_gone(request, error)
        await response(scope, receive, send)


def endpoints_of(routes: Iterable[object]) -> dict[str, Endpoint]:
    """Give the handlers of routes whose endpoints take the request alone, by their paths."""
    found = (route for route in routes if isinstance(route, APIRoute) and route.methods == {_METHOD})
    return {route.path: route.get_route_handler() for route in found}
