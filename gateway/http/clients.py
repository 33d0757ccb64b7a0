"""Who is asking: the client's key out of the header, looked up, and kept beside the request. Holds no keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final, TypeAlias

from fastapi import Request

from gateway.clients import Client
from gateway.errors import Unauthenticated

__all__ = ["FindClient", "bearer", "client_check", "only_one", "present_client"]

FindClient: TypeAlias = Callable[[str], Awaitable[Client]]
"""Find who sends a key ("" for none). Raises ``Unauthenticated``."""

# A context variable, so that no dialect has to pass the client on, and none can forget to.
_PRESENT: Final[ContextVar[Client]] = ContextVar("lethe_client")


def client_check(find: FindClient) -> Callable[[Request], Awaitable[None]]:
    """Make the dependency that lets nobody through who is not known, before any body is read."""

    async def check(request: Request) -> None:
        _PRESENT.set(await find(bearer(request)))

    return check


def present_client() -> Client:
    """Give the client of the request that is being answered. Raises ``Unauthenticated`` where none was let in."""
    client = _PRESENT.get(None)
    if client is None:
        raise Unauthenticated("the API key is missing or wrong; send it as a bearer token")
    return client


def only_one(request: Request, header: str) -> str:
    """Give a header's value, "" where it is not there or there more than once."""
    given = request.headers.getlist(header)
    return given[0] if len(given) == 1 else ""


def bearer(request: Request) -> str:
    """Read the bearer token, "" where there is none, or several: a server in between may have gone by another."""
    scheme, _, token = only_one(request, "authorization").partition(" ")
    if scheme.lower() != "bearer":
        return ""
    # Header bytes reach us as Latin-1, whatever they were.
    return token.strip().encode("latin-1").decode("utf-8", "surrogateescape")
