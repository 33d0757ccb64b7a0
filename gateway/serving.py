"""Serving: a web application on a port, from start to graceful end. Knows no topics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from gateway.errors import InvalidInput

__all__ = ["serve_until_signalled", "serving"]

_GRACE_S = 10


async def serve_until_signalled(app: FastAPI, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; running requests get some seconds to finish."""
    await uvicorn.Server(_config(app, host, port)).serve()


@asynccontextmanager
async def serving(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve inside the block, which gets the base URL. Port 0 takes a free one."""
    server = _Embedded(_config(app, host, port))
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if running.done():
                raise InvalidInput(f"cannot listen on {host}:{port}; is the port taken?")
            await asyncio.sleep(0.01)
        bound = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://{host}:{bound}"
    finally:
        server.should_exit = True
        await running


class _Embedded(uvicorn.Server):
    """A server that leaves the process's signals to whoever embeds it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Contained:
    """Keeps unexpected exceptions from the server's log: their messages may quote a conversation.

    The application has answered 500 and reported the kind of the error before it raises.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noticing(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noticing)
        except Exception:
            if not started:
                raise


def _config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        _Contained(app),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
