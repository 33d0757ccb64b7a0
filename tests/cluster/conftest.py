"""Three real replicas behind nginx and one PostgreSQL, on the loopback: `make test-cluster`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cluster.processes import Replica, free_port, nginx, nginx_program, running_upstream
from tests.postgres import OwnPostgres, own_postgres, server_programs

GRACE_S = 10
RECORD = os.environ.get("LETHE_TEST_CLUSTER")


def pytest_collection_modifyitems(items):
    """Skip this folder's tests unless they are asked for."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("cluster")
            if not RECORD:
                item.add_marker(pytest.mark.skip(reason="a cluster of processes; `make test-cluster` starts it"))


@dataclass(frozen=True)
class Cluster:
    """What runs: the replicas, the address before them all, the database's server and URL, and what was found."""

    replicas: list[Replica]
    front: str
    postgres: OwnPostgres
    database: str
    record: Callable[[str, str], None]


@dataclass
class Record:
    """A table of what was done and what happened."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, done: str, happened: str) -> None:
        """Add a row."""
        self.rows.append((done, happened))

    def __str__(self) -> str:
        lines = [f"| {done} | {happened} |" for done, happened in self.rows]
        return "\n".join(["| what was done | what happened |", "|---|---|", *lines, ""])


@pytest.fixture(scope="session")
def record() -> Iterator[Record]:
    """Collect the table, and write it to the file that LETHE_TEST_CLUSTER names."""
    table = Record()
    yield table
    Path(RECORD or os.devnull).write_text(str(table), encoding="utf-8")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, record: Record) -> Iterator[Cluster]:
    """Start everything once: the three replicas at the same moment, on an empty database."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: postgresql)")
    if (program := nginx_program()) is None:
        pytest.skip("no nginx is installed (Debian: nginx; or name one in LETHE_TEST_NGINX)")
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        server = stack.enter_context(own_postgres(programs, port=free_port(), listen="127.0.0.1"))
        database = server.new_database()
        upstream = stack.enter_context(running_upstream(folder))
        grace = {"LETHE_DATABASE_GRACE_S": str(GRACE_S)}
        replicas = [Replica(f"replica-{n}", folder, server.tcp(database), upstream, **grace) for n in (1, 2, 3)]
        for replica in replicas:
            stack.callback(_end, replica)
            replica.start()
        for replica in replicas:
            replica.ready()
        front = stack.enter_context(nginx(program, folder / "nginx", replicas))
        yield Cluster(replicas, front, server, database, record.add)


def _end(replica: Replica) -> None:
    if replica.ended() is None:
        replica.stop()
