"""What runs and is written beside a test: a recording, workers' processes, a cluster that others started."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


async def recorded(log: Path, count: int) -> None:
    """Wait until so many prompts are finished."""
    await asyncio.to_thread(_until, lambda: log.exists() and log.read_bytes().count(b"\n") > count)


async def ended(processes: Iterable[int]) -> None:
    """Wait until they are gone."""
    await asyncio.to_thread(_until, lambda: not any(Path(f"/proc/{one}").exists() for one in processes))


def _until(so) -> None:
    latest = time.monotonic() + 60
    while not so():
        if time.monotonic() > latest:
            raise TimeoutError
        time.sleep(0.02)


def written_under(folder: Path) -> bytes:
    """Read all that is there."""
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def workers_under(ancestor: int) -> set[int]:
    """Find the processes that this one started in which a worker of Lethe runs."""
    parents, workers = {}, set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            named = (entry / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(entry.name)] = int(fields[1])
        if named.startswith(b"ray::RemoteWorker"):
            workers.add(int(entry.name))
    return {worker for worker in workers if ancestor in set(_ancestors(worker, parents))}


def _ancestors(process: int, parents: dict[int, int]) -> Iterator[int]:
    while process in parents:
        process = parents[process]
        yield process


def free_port() -> int:
    """Find a port at which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Run a cluster of one node with two CPUs, as its operator starts it; gives its address."""
    port = free_port()
    ray = Path(sys.executable).with_name("ray")
    words = f"start --head --port={port} --num-cpus=2 --object-store-memory=100000000 --include-dashboard=false"
    process = subprocess.Popen(
        [ray, *words.split(), f"--temp-dir={folder}", "--block"],
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        _until(lambda: _listens(port))
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0
