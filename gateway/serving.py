"""Serving: a web application on a port, from start to graceful end. Knows no topics."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import HANDLED_SIGNALS

from gateway.errors import InvalidInput
from gateway.http.connections import patient

__all__ = ["listening_socket", "run_fast", "serve_until_signalled", "serving"]

_GRACE_S = 10
_COLLECT_AFTER = 10_000
"""Objects that may be new before Python looks which of them are in cycles; 700 is its own default."""
_CLIENT_TIMEOUT_S = 30.0
_KEEP_ALIVE_S = 75
"""Longer than clients keep an idle connection, so that none is closed under a request just being sent."""


def run_fast(work: Coroutine[Any, Any, None], *, grace_s: float = _GRACE_S) -> None:
    """Run as ``asyncio.run`` does, on the event loop that the server knows to be the fastest here.

    Once the work is done its threads have ``grace_s``. asyncio would wait for ever for one that hangs, so the
    process ends then, with status 1: by that time everything that was opened is closed.
    """
    last = threading.Timer(grace_s, os._exit, (1,))
    last.daemon = True
    try:
        with asyncio.Runner(loop_factory=_config(_nothing).get_loop_factory()) as runner:
            try:
                runner.run(work)
            finally:
                last.start()
    finally:
        last.cancel()


async def serve_until_signalled(
    app: ASGIApp, host: str, port: int, listening: Callable[[str], None], *, client_timeout_s: float
) -> None:
    """Serve until SIGINT or SIGTERM; running requests get some seconds to finish, and then the caller goes on.

    ``listening`` is told the base URL once the port is taken. ``client_timeout_s`` is how long a client may stall:
    see ``PatientConnection``. Raises ``InvalidInput`` if the port cannot be taken.
    """
    with listening_socket(host, port) as bound:
        listening(_url(host, bound))
        _spare_the_collector()
        await _Ended(_config(app, client_timeout_s)).serve(sockets=[bound])


@asynccontextmanager
async def serving(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, client_timeout_s: float = _CLIENT_TIMEOUT_S
) -> AsyncIterator[str]:
    """Serve inside the block, which gets the base URL. Port 0 takes a free one. Raises ``InvalidInput``."""
    with listening_socket(host, port) as bound:
        server = _Embedded(_config(app, client_timeout_s))
        running = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            yield _url(host, bound)
        finally:
            server.should_exit = True
            await running


def _spare_the_collector() -> None:
    """Look for garbage among what is there by now for the last time, and among what comes less often.

    Topics and code stay, and are many: with 200 topics requests waited 0.14 s for it, again and again. What an
    answer leaves behind is hardly ever in cycles, which alone the collector is for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 10, 10)


def listening_socket(host: str, port: int) -> socket.socket:
    """Take a port. Raises ``InvalidInput``.

    Its connections send at once what is written. Python's event loop sees to that only for sockets that name
    their protocol, which these do not; without it an answer of two packets waits 40 ms for its first to be heard.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return bound
    except OSError as error:
        raise InvalidInput(
            f"cannot listen on {host}:{port}: {error.strerror}; name another with --port"
        ) from error


def _url(host: str, bound: socket.socket) -> str:
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}:{bound.getsockname()[1]}"


class _Ended(uvicorn.Server):
    """A server that SIGINT and SIGTERM end, and nothing more: uvicorn raises them again once it has ended.

    SIGTERM would then kill the process before it has closed its store, saved what its monitors saw, handed its
    calibration over and ended a vLLM of its own.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Embedded(uvicorn.Server):
    """A server that leaves the process's signals to whoever embeds it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Contained:
    """Keeps unexpected exceptions from the server's log: their messages may quote a conversation.

    The application has answered 500 and reported the kind of the error before it raises.
    """

    def __init__(self, app: ASGIApp) -> None:
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


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve nobody."""


def _config(app: ASGIApp, client_timeout_s: float = _CLIENT_TIMEOUT_S) -> uvicorn.Config:
    return uvicorn.Config(
        _Contained(app),
        http=patient(client_timeout_s),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
