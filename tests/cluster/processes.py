"""The processes of a cluster on the loopback: replicas of the gateway, nginx, a model server. Knows no topics."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
ADMIN_KEY = "admin-key"

__all__ = ["ADMIN_KEY", "ROOT", "Replica", "free_port", "nginx", "nginx_program", "running_upstream"]


def free_port() -> int:
    """Find a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Replica:
    """One `lethe serve` on a port of its own. ``code`` is the directory that its packages are imported from."""

    def __init__(self, name: str, folder: Path, database: str, upstream: str, **settings: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.code = ROOT
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LETHE_")},
            "OMP_NUM_THREADS": "1",
            "LETHE_PORT": str(self.port),
            "LETHE_DATABASE": database,
            "LETHE_UPSTREAM_URL": f"{upstream}/v1",
            "LETHE_ADMIN_KEY": ADMIN_KEY,
            "LETHE_WITHOUT_CERTIFICATE": "zero-evidence",
            "LETHE_DISCLOSE": "true",
            "LETHE_ROUNDS": "1",
            "LETHE_DRIFT_FILE": str(folder / f"{name}.drift.json"),
            **settings,
        }

    def start(self) -> None:
        """Start it; ``ready`` waits until it answers."""
        command = [sys.executable, "-c", "from gateway.cli import main; main()", "serve"]
        environment = {**self._environment, "PYTHONPATH": str(self.code)}
        with open(self._folder / f"{self.name}.log", "ab") as log:
            self._process = subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log)

    def ready(self, within_s: float = 90) -> None:
        """Wait until it says that it is ready. Raises ``RuntimeError``."""
        ends = time.monotonic() + within_s
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            if time.monotonic() > ends or self.ended() is not None:
                raise RuntimeError(f"{self.name} is not ready: {self.log()[-2000:]}")
            time.sleep(0.1)

    def ended(self) -> int | None:
        """Give its exit status, if it has ended."""
        return None if self._process is None else self._process.poll()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End it and wait; gives the exit status."""
        if self._process is None:
            return None
        self._process.send_signal(how)
        return self._process.wait(timeout=30)

    def log(self) -> str:
        """Give what it wrote so far."""
        return (self._folder / f"{self.name}.log").read_text(errors="replace")


@contextmanager
def running_upstream(folder: Path) -> Iterator[str]:
    """Run the model server inside the block, which gets its base URL."""
    command = [sys.executable, str(Path(__file__).with_name("upstream.py"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "the model server did not start; what it wrote stands above"
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def nginx_program() -> str | None:
    """Find nginx: named by LETHE_TEST_NGINX, on the PATH, or where Debian puts it."""
    return os.environ.get("LETHE_TEST_NGINX") or shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def nginx(program: str, folder: Path, replicas: list[Replica]) -> Iterator[str]:
    """Run nginx with deploy/nginx/lethe.conf before the replicas; the block gets its base URL."""
    port = free_port()
    site = (ROOT / "deploy/nginx/lethe.conf").read_text().replace("listen 80;", f"listen 127.0.0.1:{port};")
    for number, replica in enumerate(replicas, start=1):
        site = site.replace(f"replica-{number}:8000", f"127.0.0.1:{replica.port}")
    folder.mkdir()
    (folder / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    own = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; {own} include {folder}/site.conf; }}\n"
    )
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(timeout=30)
