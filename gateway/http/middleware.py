"""What happens to every exchange: a request id, and limits on the body. Pure ASGI; knows no routes."""

from __future__ import annotations

import asyncio
from os import urandom
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import TooLarge, TooSlow

__all__ = ["SLOWEST_BYTES_PER_S", "BodyLimit", "RequestId"]

_ID_HEADER: Final = b"x-request-id"
SLOWEST_BYTES_PER_S: Final = 500
"""A modem of 1990 is four times as fast. Slower than this nobody sends a body but to hold a place."""


class RequestId:
    """Gives every exchange an id, in ``request.state.request_id`` and the header ``x-request-id``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{urandom(16).hex()}"
        scope.setdefault("state", {})["request_id"] = request_id
        header = (_ID_HEADER, request_id.encode("ascii"))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = (each for each in message.get("headers", ()) if each[0] != _ID_HEADER)
                message = {**message, "headers": [*others, header]}
            await send(message)

        await self._app(scope, receive, send_with_id)


class BodyLimit:
    """Raises ``TooLarge`` into whoever reads a body beyond ``limit_bytes``, announced or not.

    And ``TooSlow`` where the next part of one does not come within ``timeout_s``, or all of it comes so slowly
    that it falls that far behind ``SLOWEST_BYTES_PER_S``: a client that stalls must not keep its place.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        now = asyncio.get_running_loop().time
        seen, more, began = 0, True, now()

        async def limited() -> Message:
            nonlocal seen, more
            if announced.isdigit() and int(announced) > self._limit_bytes:
                raise self._too_large()
            ahead_s = began + seen / SLOWEST_BYTES_PER_S - now()
            message = await self._next(receive, min(ahead_s, 0.0)) if more else await receive()
            more = message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > self._limit_bytes:
                raise self._too_large()
            return message

        await self._app(scope, limited, send)

    async def _next(self, receive: Receive, ahead_s: float) -> Message:
        try:
            async with asyncio.timeout(self._timeout_s + ahead_s):
                return await receive()
        except TimeoutError:
            raise TooSlow("the rest of the body did not come in time") from None

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self._limit_bytes} bytes")
