"""The lock on /admin and /metrics: routes that ask for a key before they read anything. Knows no routes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from gateway.errors import Forbidden, Unauthenticated

__all__ = ["locked"]


def locked(key: str | None, *, setting: str = "LETHE_ADMIN_KEY") -> type[APIRoute]:
    """Make the routes ask for the key before anything of the body is read, which a dependency would not.

    Without a key, which ``setting`` would give, they are closed to everybody.
    """

    class Locked(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            open_route = super().get_route_handler()

            async def handle(request: Request) -> Response:
                _require_key(request, key, setting)
                return await open_route(request)

            return handle

    return Locked


def _require_key(request: Request, key: str | None, setting: str) -> None:
    if not key:
        raise Forbidden(f"this is closed; set {setting} to open it")
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-admin-key") or (bearer.strip() if scheme.lower() == "bearer" else "")
    # Header bytes reach us as Latin-1, whatever they were.
    if not secrets.compare_digest(given.encode("latin-1"), key.encode()):
        raise Unauthenticated("the key is missing or wrong; send it as a bearer token or in x-admin-key")
