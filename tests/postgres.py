"""Starting, stopping and killing a PostgreSQL server of the tests' own. Knows no Lethe."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["OwnPostgres", "own_postgres", "server_programs"]


def server_programs() -> Path | None:
    """Find the directory with `initdb` and `postgres`: on the PATH, else Debian's newest."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return debian[-1].parent if debian else None


class OwnPostgres:
    """A server in a directory of its own, reached by a Unix socket there, and on a loopback port if it has one."""

    def __init__(self, programs: Path, folder: Path, options: tuple[str, ...], port: int) -> None:
        self._programs = programs
        self._folder = folder
        self._options = options
        self._port = port
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the cluster. Its names are sorted as people do, which Lethe must not rely on."""
        self._run("initdb", "--pgdata", self._data, "--username=lethe", "--auth=trust", "--encoding=UTF8",
                  "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en", "--no-sync")  # fmt: skip

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [self._programs / "postgres", "-D", self._data, "-k", str(self._folder), "-p", str(self._port)]
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._options], stdout=log, stderr=log, cwd=self._folder, **_unprivileged()
            )
        ends = time.monotonic() + 30
        while self._try("SELECT 1", "postgres").returncode != 0:
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL did not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT disconnects everybody, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None

    def new_database(self, *options: str) -> str:
        """Make an empty database and return its URL."""
        name = f"lethe{next(self._numbers)}"
        done = self._try(f"CREATE DATABASE {name} {' '.join(options)}", "postgres")
        assert done.returncode == 0, done.stderr
        return f"postgresql://lethe@/{name}?host={self._folder}&port={self._port}"

    def tcp(self, url: str) -> str:
        """Give the same database by the loopback port."""
        return f"postgresql://lethe@127.0.0.1:{self._port}/{url.partition('@/')[2].partition('?')[0]}"

    def execute(self, url: str, *statements: str) -> str:
        """Do something behind Lethe's back, as another program. Raises ``RuntimeError`` where it is refused."""
        done = self._try("; ".join(statements), url.partition("@/")[2].partition("?")[0])
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _try(self, statement: str, database: str) -> subprocess.CompletedProcess[str]:
        where = ["-h", str(self._folder), "-p", str(self._port), "-U", "lethe", "-d", database]
        command = [self._programs / "psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", *where, "-c", statement]
        return subprocess.run(command, capture_output=True, text=True, timeout=30)

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, **_unprivileged())
        assert done.returncode == 0, done.stderr


@contextmanager
def own_postgres(programs: Path, *options: str, port: int = 5432, listen: str = "") -> Iterator[OwnPostgres]:
    """Run a server inside the block. Not below pytest's folders: only their owner may enter those."""
    folder = Path(tempfile.mkdtemp(prefix="lethe-pg-"))
    if os.geteuid() == 0:
        account = pwd.getpwnam(_account())
        os.chown(folder, account.pw_uid, account.pw_gid)
    server = OwnPostgres(programs, folder, ("-c", f"listen_addresses={listen}", *options), port)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop(signal.SIGQUIT)  # nobody needs its data any more
        shutil.rmtree(folder)


def _account() -> str:
    """Name who runs it in root's place: PostgreSQL refuses root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _unprivileged() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(_account())
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
