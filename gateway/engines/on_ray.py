"""Work spread over a Ray cluster: one worker process a place. The only module that knows Ray."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from gateway.engines.build import Build, difference, this_build
from gateway.engines.crew import Crew, NoRoom, WorkerLost
from gateway.engines.protocol import Do, Portable
from gateway.engines.worker import Failed, RemoteWorker
from gateway.errors import InvalidInput, UpstreamError, UpstreamUnreachable

__all__ = ["LOCAL", "RayEngine", "on_ray"]

ItemT = TypeVar("ItemT")
DoneT = TypeVar("DoneT")

LOCAL: Final = "local"
"""The address of a Ray of our own, which ends with the work."""

_OBJECTS_BYTES: Final = 200_000_000
_PLACED_S: Final = 60.0
"""So long a worker may take to get a place in the cluster, while nobody else works."""
_CONNECT_S: Final = 5.0
_SHORT: Final = "/tmp" if os.name == "posix" else None  # noqa: S108  # the path of a socket has 107 bytes at most


@contextmanager
def on_ray(address: str, *, workers: int, concurrency: int) -> Iterator[RayEngine]:
    """Be connected to a cluster inside the block: ``LOCAL``, "auto" for the one of this machine, or HOST:PORT.

    Raises ``InvalidInput`` where Ray is missing or the address is none, ``UpstreamUnreachable`` where no cluster
    answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read at the start of a Ray of our own
    ray = _ray()
    with ExitStack() as stack:
        own: dict[str, Any] = {}
        if address == LOCAL:
            # Only we may read what Ray writes there; by default anybody on the machine may.
            place = os.environ.get("RAY_TMPDIR", _SHORT)
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="lethe-", dir=place, ignore_cleanup_errors=True)
            )
            own = {"num_cpus": workers, "object_store_memory": _OBJECTS_BYTES, "include_dashboard": False}
            own["_temp_dir"] = os.path.join(folder, "r")  # which Ray opens to everybody, but not what it is in
        else:
            _check_reachable(address)
        try:
            ray.init(address, log_to_driver=False, logging_level="error", **own)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise UpstreamUnreachable(_no_cluster(address, error)) from error
        stack.callback(ray.shutdown)
        yield RayEngine(ray, workers, concurrency, this_build())


@dataclass(frozen=True, slots=True)
class RayEngine:
    """A cluster that we are connected to, of which we want so many workers with a CPU each, all of this build."""

    ray: Any
    workers: int
    concurrency: int
    build: Build

    @property
    def places(self) -> int:
        """As many as there are workers."""
        return self.workers

    @asynccontextmanager
    async def doing(
        self, here: Do[ItemT, DoneT], elsewhere: Portable[ItemT, DoneT]
    ) -> AsyncIterator[Do[ItemT, DoneT]]:
        """Have workers do it, each with a copy of ``elsewhere`` of its own."""
        kind = self.ray.remote(num_cpus=1, max_restarts=0, max_concurrency=self.concurrency + 2)(RemoteWorker)
        portable = self.ray.put(elsewhere)

        async def hire() -> _RayWorker[ItemT, DoneT]:
            worker = _RayWorker[ItemT, DoneT](self.ray, kind.remote(), self.build)
            try:
                await worker.ready(portable)
            except BaseException:
                worker.dismiss()
                raise
            return worker

        crew = Crew[ItemT, DoneT](hire, size=self.workers, concurrency=self.concurrency)
        async with crew.working() as do:
            yield do


class _RayWorker(Generic[ItemT, DoneT]):
    """A worker as the crew knows one."""

    def __init__(self, ray: Any, actor: Any, build: Build) -> None:
        self._ray = ray
        self._actor = actor
        self._build = build

    async def ready(self, portable: Any) -> None:
        """Have it opened, once it is clear that it computes as we do. Raises ``InvalidInput`` else."""
        try:
            async with asyncio.timeout(_PLACED_S):
                build: Build = await self._said(self._actor.build.remote())
        except TimeoutError:
            raise NoRoom(f"the cluster has no CPU for a worker, {_PLACED_S:.0f} s long") from None
        if differs := difference(self._build, build):
            raise InvalidInput(f"a worker of the cluster has {differs}; install the same on every node")
        failed = await self._said(self._actor.open.remote(portable))
        if isinstance(failed, Failed):
            raise failed.error("a worker of the cluster: ")

    async def do(self, item: ItemT) -> DoneT:
        """Do one."""
        done: DoneT | Failed = await self._said(self._actor.do.remote(item))
        if isinstance(done, Failed):
            raise done.error()
        return done

    def dismiss(self) -> None:
        """Kill it: it holds nothing that is kept."""
        with suppress(Exception):  # such as that the cluster has gone
            self._ray.kill(self._actor)

    async def _said(self, ref: Any) -> Any:
        """Wait for what it says. What Ray could not carry out because the process is gone is a loss."""
        try:
            return await ref
        except self._ray.exceptions.RayTaskError as error:  # its words may quote what was sent
            raise UpstreamError(f"a worker of the cluster failed: {type(error.cause).__name__}") from None
        except self._ray.exceptions.RayError as error:
            raise WorkerLost(_why(error)) from error


def _ray() -> Any:
    try:
        import ray  # an extra of 240 MB, which only this engine needs
    except ImportError as error:
        raise InvalidInput(
            f"--engine ray needs the extra `ray`, which is not installed ({error}): "
            "in the checkout: pip install -c constraints.txt '.[ray]'"
        ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Find out at once what Ray would try for two minutes, and then end the process by."""
    said = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    host, _, port = said.removeprefix("ray://").rpartition(":")
    if not said or said == "auto":
        return
    if not host or not port.isdigit():
        raise InvalidInput(f"--ray-address is `local`, `auto`, HOST:PORT or ray://HOST:PORT, not {said!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise UpstreamUnreachable(f"no Ray cluster answers at {said}: {error}") from error


def _why(error: Exception) -> str:
    """Name what a cluster's operator can act on; Ray's own text is a page."""
    if "ModuleNotFoundError" in str(error):
        return "Lethe is not installed on a node of the cluster"
    return type(error).__name__


def _no_cluster(address: str, error: Exception) -> str:
    words = f"no Ray cluster can be used at {address!r}: {str(error).strip().partition(chr(10))[0]}"
    return words if address == LOCAL else f"{words} (one that asks for a token needs RAY_AUTH_MODE=token here)"
