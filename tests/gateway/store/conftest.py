"""A database in a temporary directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's database is."""
    return tmp_path / "lethe.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """Open a new store there."""
    store = await Store.open(path)
    yield store
    await store.aclose()
