"""Calibrations on a Ray of this machine, of two workers; `make test-ray` brings it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.wire.conftest import start

__all__ = ["start"]

WANTED = bool(os.environ.get("LETHE_TEST_RAY"))


def pytest_collection_modifyitems(items):
    """Skip this folder's tests where nobody asked for a Ray."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("ray")
            if not WANTED:
                item.add_marker(
                    pytest.mark.skip(reason="starts a Ray cluster; `make test-ray` brings and runs it")
                )
