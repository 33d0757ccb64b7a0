"""Linters and renderers in an environment of their own, which `make test-deploy` makes; without it, tests skip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("LETHE_TEST_DEPLOY_PYTHON")
TOOL = Path(__file__).with_name("tool.py")


@pytest.fixture(scope="session")
def linter() -> Callable[..., Any]:
    """Run one function of ``tool.py`` in the tools' environment: JSON in, JSON out."""
    if not PYTHON:
        pytest.skip("no linters; `make test-deploy` brings them")
    known: dict[str, Any] = {}

    def run(function: str, **arguments: Any) -> Any:
        asked = json.dumps([function, arguments], sort_keys=True)
        if asked not in known:
            done = subprocess.run([PYTHON, TOOL], input=asked, capture_output=True, text=True, timeout=120)
            assert 0 == done.returncode, done.stderr
            known[asked] = json.loads(done.stdout)
        return known[asked]

    return run


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program where there is one, and skip where there is not."""

    def run(*words: str | Path, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
        beside = Path(PYTHON).with_name(str(words[0])) if PYTHON else None
        found = str(beside) if beside and beside.exists() else shutil.which(words[0])
        if found is None:
            pytest.skip(f"no {words[0]} here")
        return subprocess.run(
            [found, *map(str, words[1:])], capture_output=True, text=True, timeout=120, env={**os.environ, **env}
        )

    return run
