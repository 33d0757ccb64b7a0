"""The locks on /admin and /metrics: routes that ask for a key before they read anything. Knows no routes."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

from fastapi import Request, Response
from fastapi.routing import APIRoute

from gateway.admins import Admin, admin_named, admin_of
from gateway.clients import Tokens, is_token
from gateway.errors import Forbidden, Unauthenticated
from gateway.http.clients import only_one
from gateway.http.roles import ROLES
from gateway.store.acting import ACTING
from gateway.store.store import Store

__all__ = ["FindAdmin", "by_role", "finding_admins", "locked"]

FindAdmin: TypeAlias = Callable[[str], Awaitable[Admin]]
"""Find who sends an admin key ("" for none). Raises ``Unauthenticated``, ``Forbidden`` and ``StoreError``."""


def finding_admins(store: Store, own: str | None, tokens: Tokens | None = None) -> FindAdmin:
    """Look keys up in the store, but for LETHE_ADMIN_KEY, ``own``: it opens even where the store is damaged.

    A token stands for the admin key of its name.
    """

    async def find(given: str) -> Admin:
        if own and secrets.compare_digest(given.encode("latin-1", "replace"), own.encode()):
            return Admin(None, "admin")
        if tokens is not None and is_token(given):
            return admin_named(await tokens.name(given), await store.admin_keys())
        return admin_of(_meant(given), await store.admin_keys(), own=own or None)

    return find


def by_role(find: FindAdmin) -> type[APIRoute]:
    """Make the routes ask for an admin key before anything of the body is read, and for the role of the table."""

    class ByRole(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            open_route = super().get_route_handler()

            async def handle(request: Request) -> Response:
                admin = await find(_given(request))
                needed = ROLES.get((request.method, self.path))
                if needed is None or not admin.may(needed):
                    raise Forbidden(f"this needs a key with the role {needed or 'that nobody has'}")
                ACTING.set(admin.logged)
                return await open_route(request)

            return handle

    return ByRole


def locked(key: str | None, *, setting: str) -> type[APIRoute]:
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
    # Header bytes reach us as Latin-1, whatever they were.
    if not secrets.compare_digest(_given(request).encode("latin-1"), key.encode()):
        raise Unauthenticated("the key is missing or wrong; send it as a bearer token or in x-admin-key")


def _given(request: Request) -> str:
    """Read the key as it came: each byte of the header as a letter of Latin-1."""
    scheme, _, bearer = only_one(request, "authorization").partition(" ")
    return only_one(request, "x-admin-key") or (bearer.strip() if scheme.lower() == "bearer" else "")


def _meant(given: str) -> str:
    return given.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
