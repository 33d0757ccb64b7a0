"""The lock on /admin: routes that ask for the admin key before they read anything. Knows no routes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from gateway.errors import Forbidden, Unauthenticated

__all__ = ["locked"]


def locked(admin_key: str | None) -> type[APIRoute]:
    """Make the routes ask for the key before anything of the body is read, which a dependency would not."""

    class Locked(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            open_route = super().get_route_handler()

            async def handle(request: Request) -> Response:
                _require_key(request, admin_key)
                return await open_route(request)

            return handle

    return Locked


def _require_key(request: Request, admin_key: str | None) -> None:
    if not admin_key:
        raise Forbidden("the admin API is closed; set LETHE_ADMIN_KEY to open it")
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-admin-key") or (bearer.strip() if scheme.lower() == "bearer" else "")
    # Header bytes reach us as Latin-1, whatever they were.
    if not secrets.compare_digest(given.encode("latin-1"), admin_key.encode()):
        raise Unauthenticated("the admin key is missing or wrong; send it as a bearer token or in x-admin-key")
