"""The house's rules that import-linter cannot say."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

ELSEWHERE = "gateway.upstream.vllm_plugin"
"""vLLM loads it, in an environment of its own; `make test-vllm` runs it there."""
PACKAGES = ("gateway", "verifiers", "calibration", "evaluation", "unlearners")


def modules() -> list[str]:
    """Name every module of the packages, without those that are scripts of Alembic's."""
    found = []
    for package in PACKAGES:
        root = importlib.import_module(package)
        walked = pkgutil.walk_packages(root.__path__, f"{package}.")
        found += [package, *(m.name for m in walked if ".migrations" not in m.name and m.name != ELSEWHERE)]
    return found


@pytest.mark.parametrize("name", modules())
def test_every_module_says_what_it_is_and_exports_what_it_names(name):
    """A docstring, and an `__all__` whose names exist."""
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip()
    missing = [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)]
    assert [] == missing


def test_the_serving_path_loads_neither_torch_nor_mapie():
    """Importing the composition root must stay light; checked in a fresh interpreter."""
    code = "import sys, gateway.app; print(sorted({'torch','transformers','mapie','sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_importing_prints_nothing_and_needs_no_settings():
    """Importing has no effects, wherever it happens."""
    code = "import gateway.cli, gateway.app, verifiers, calibration, evaluation"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"LETHE_PORT": "not a port"}
    )
    assert ("", "") == (done.stdout, done.stderr)


def test_a_certificate_of_unlearning_is_verified_without_torch():
    """Whoever checks a certificate needs no training stack."""
    code = "import sys, unlearners.verification; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()
