"""A PostgreSQL server of the session's own, where the machine has one to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import OwnPostgres, own_postgres, server_programs


@pytest.fixture(scope="session")
def postgres() -> Iterator[OwnPostgres]:
    """Start a server on a Unix socket of its own, once; skips where there is none to start."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (looked for `postgres` and /usr/lib/postgresql/*/bin)")
    pytest.importorskip("asyncpg", reason="the extra `postgres` is not installed")
    with own_postgres(programs, "-F") as server:
        yield server
