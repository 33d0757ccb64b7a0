"""Processes of a benchmark: started on a core, looked at while they run, ended. Knows no gateway."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "free_port", "preferred", "started"]

_TICKS_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """A process with its children: what it has used. That of number 0 is not ours, and has used nothing."""

    pid: int

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far."""
        return sum((int(each[11]) + int(each[12])) / _TICKS_S for each in self._stats())

    @property
    def resident_mib(self) -> float:
        """Memory that it holds now."""
        return sum(int(each[21]) * _PAGE_BYTES / 2**20 for each in self._stats())

    def _stats(self) -> Iterator[list[str]]:
        """Read the fields of /proc/PID/stat behind the name, of all processes of its session."""
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if self.pid and int(fields[3]) == self.pid:
                        yield fields


@contextmanager
def started(
    command: Sequence[str],
    *,
    core: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
    ready: str | None = None,
    patience_s: float = 120.0,
) -> Iterator[Process]:
    """Run a command on one core inside the block; enter it when ``ready``, a URL, answers at all.

    Raises ``RuntimeError`` with the end of its log where that does not happen.
    """
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    os.sched_setaffinity(process.pid, {core})
    preferred(process.pid)
    try:
        if ready is not None:
            _wait(process, ready, log, patience_s)
        yield Process(process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def preferred(pid: int) -> None:
    """Ask the kernel to run this session's processes before others', where it lets us: machines are shared."""
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("-15")
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, -15)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], url: str, log: Path, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.request.HTTPError:
            return  # it answers, if only to refuse this
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{Path(sys.executable).name}: nothing answers at {url}:\n{log.read_text()[-2000:]}")
