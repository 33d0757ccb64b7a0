"""The guarantees page names functions and tests that exist."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

from calibration.ranks import units_needed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
FUNCTIONS = sorted(set(re.findall(r"`(calibration(?:\.\w+)+)`", PAGE)))
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_that_the_page_names_exists(name: str) -> None:
    """And can be called."""
    module, function = name.rsplit(".", 1)
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_each_test_that_the_page_names_exists(file: str, name: str) -> None:
    """In the file that is named."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_promise_says_by_which_file_it_is_verified() -> None:
    """Every control function names a test file that exists, in both places."""
    promising = [
        name for name in FUNCTIONS if ".control_" in name or name.endswith(("learn_then_test", "_budget"))
    ]
    assert len(promising) >= 7
    for name in promising:
        module, function = name.rsplit(".", 1)
        words = getattr(import_module(module), function).__doc__ or ""
        named = re.findall(r"tests/guarantees/\w+\.py", words)
        assert named, f"{name} does not say by which test it is verified"
        assert all((ROOT / file).exists() for file in named)


def test_the_table_of_needed_units_is_what_the_function_says() -> None:
    """All four rows."""
    rows = re.findall(r"^\| (\d+) % \| (\d+) \| (\d+) \|$", PAGE, flags=re.MULTILINE)
    expected = [
        (str(p), str(units_needed(p / 100, None)), str(units_needed(p / 100, 0.95))) for p in (10, 5, 2, 1)
    ]
    assert rows == expected
