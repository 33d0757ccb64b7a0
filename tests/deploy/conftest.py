"""Linters and renderers in an environment of their own, which `make test-deploy` makes; without it, tests skip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("LETHE_TEST_DEPLOY_PYTHON")
TOOL = Path(__file__).with_name("tool.py")


@pytest.fixture(scope="session")
def linter() -> Iterator[Callable[..., Any]]:
    """Call functions of ``tool.py`` in the tools' environment, in one process for all tests."""
    if not PYTHON:
        pytest.skip("no linters; `make test-deploy` brings them")
    words = [PYTHON, TOOL]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        asks, answers = process.stdin, process.stdout
        assert asks is not None
        assert answers is not None

        def call(function: str, **arguments: Any) -> Any:
            asks.write(json.dumps([function, arguments]) + "\n")
            said = json.loads(answers.readline())
            if "error" in said:
                raise RuntimeError(said["error"])
            return said["found"]

        yield call
        asks.close()


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
