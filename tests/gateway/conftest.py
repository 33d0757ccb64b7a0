"""Where a test's database is, of either kind."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's database is, for tests of what only a file has."""
    return tmp_path / "lethe.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, path: Path) -> str:
    """Name a new database, of either kind in turn."""
    return str(path) if request.param == "sqlite" else request.getfixturevalue("postgres").new_database()
