"""A vLLM server of our own: started, waited for, started again when it dies, ended. Knows no chats.

vLLM lives in its own environment, since it pins other versions than the gateway's. It is started by its
module, which works for the CPU builds too.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from gateway.errors import UpstreamUnreachable

__all__ = ["BANS_EVERY_SPELLING", "VllmServer", "running_vllm"]

BANS_EVERY_SPELLING: Final = "gateway.upstream.vllm_plugin:EverySpelling"
"""What vLLM's `--logits-processors` takes, where this distribution is in its environment."""

_GRACE_S: Final = 15.0
_LONGEST_PAUSE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class VllmServer:
    """How to start it: the Python that has vLLM, the model, its name for clients, further arguments.

    ``port`` 0 takes a free one. ``environment`` is added to this process's.
    """

    python: Path
    model: str
    name: str
    port: int = 0
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_s: float = 300.0

    def command(self, port: int) -> list[str]:
        """Write the command line."""
        given = ["--model", self.model, "--served-model-name", self.name, "--host", "127.0.0.1"]
        entry = [str(self.python), "-m", "vllm.entrypoints.openai.api_server"]
        return [*entry, *given, "--port", str(port), *self.arguments]


@asynccontextmanager
async def running_vllm(
    server: VllmServer, tell: Callable[[str], None] = lambda words: None
) -> AsyncIterator[_Supervised]:
    """Start vLLM, wait until it answers, and give its base URL; end it with the block.

    While the block runs a server that dies is started again, after pauses that double up to half a minute;
    until it is back its callers get connection errors. Raises ``UpstreamUnreachable`` where it does not come
    up in the first place.
    """
    port = server.port or _free_port()
    supervised = _Supervised(server, port, tell)
    await supervised.start()
    try:
        await supervised.ready()
        supervisor = asyncio.create_task(supervised.supervise())
        try:
            yield supervised
        finally:
            supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await supervisor
    finally:
        await supervised.end()


class _Supervised:
    """One server, with its process. ``api_key`` is drawn anew for each, and only we know it."""

    def __init__(self, server: VllmServer, port: int, tell: Callable[[str], None]) -> None:
        self._server, self._port, self._tell = server, port, tell
        self._process: asyncio.subprocess.Process | None = None
        self.api_key = secrets.token_urlsafe(32)
        self.starts = 0

    @property
    def url(self) -> str:
        """The base URL, with the version path."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def pid(self) -> int:
        """The process's id. Raises ``RuntimeError`` before the start."""
        if self._process is None:
            raise RuntimeError("vLLM has not been started")
        return self._process.pid

    async def start(self) -> None:
        """Start the process, in a group of its own so that its workers end with it.

        Not in a session of its own: Linux shares the processors among sessions, and a vLLM that keeps them all
        busy then lets a gateway on the same two of them wait for half a second at a time.
        """
        self.starts += 1
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._server.command(self._port),
                env={**_unsecret(os.environ), **self._server.environment, "VLLM_API_KEY": self.api_key},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                process_group=0,
            )
        except OSError as error:
            raise UpstreamUnreachable(
                f"vLLM cannot be started by {self._server.python}: {error.strerror}; name a Python that has it"
            ) from error

    async def ready(self) -> None:
        """Wait until it lists its models. Raises ``UpstreamUnreachable`` if it ends, or takes too long."""
        if self._process is None:
            raise RuntimeError("vLLM has not been started")
        try:
            async with asyncio.timeout(self._server.ready_s), httpx.AsyncClient(timeout=2.0) as client:
                while not await self._answers(client):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.25)
        except TimeoutError:
            raise UpstreamUnreachable(f"vLLM did not answer within {self._server.ready_s:g} s") from None

    async def _answers(self, client: httpx.AsyncClient) -> bool:
        """Say whether our own process answers: what answers on the port without it is somebody else's."""
        key = {"authorization": f"Bearer {self.api_key}"}
        try:
            answered = (await client.get(f"{self.url}/models", headers=key)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            answered = False
        if self._process is None or self._process.returncode is not None:
            raise UpstreamUnreachable("vLLM ended before it answered; its own messages say why")
        return answered

    async def supervise(self) -> None:
        """Start it again whenever it ends, for ever."""
        pause = 1.0
        while True:
            if self._process is not None:
                await self._process.wait()
                self._end_group()
            self._tell(f"vLLM ended; starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            try:
                await self.start()
                await self.ready()
                pause = 1.0
            except UpstreamUnreachable as error:
                self._tell(str(error))
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def end(self) -> None:
        """End the process and its workers: politely first."""
        process = self._process
        if process is None or process.returncode is not None:
            self._end_group()
            return
        process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _GRACE_S)
        self._end_group()
        await process.wait()

    def _end_group(self) -> None:
        """Kill what is left of the group that this process leads."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _unsecret(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out the gateway's own settings, keys among them."""
    return {name: value for name, value in environment.items() if not name.upper().startswith("LETHE_")}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])
