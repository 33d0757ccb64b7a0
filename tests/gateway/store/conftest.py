"""A database in a temporary directory, or of a server of the tests' own."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.store.store import Store

Execute = Callable[..., None]


@pytest.fixture
def execute(request: pytest.FixtureRequest, address: str) -> Execute:
    """Change the database behind Lethe's back. Raises ``RuntimeError`` where it refuses."""

    def on_file(*statements: str) -> None:
        connection = sqlite3.connect(address)
        try:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        except sqlite3.Error as error:
            raise RuntimeError(str(error)) from error
        finally:
            connection.close()

    def on_server(*statements: str) -> None:
        request.getfixturevalue("postgres").execute(address, *statements)

    return on_server if address.startswith("postgresql:") else on_file


@pytest.fixture
async def store(address: str) -> AsyncIterator[Store]:
    """Open a new store there."""
    store = await Store.open(address)
    yield store
    await store.aclose()
