"""The guarantees page names functions and tests that exist."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from pkgutil import iter_modules

import pytest

import calibration
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


def _promising() -> dict[str, str]:
    """Return the docstring of every public function of the package that gives a guarantee."""
    found = {}
    for module in iter_modules(calibration.__path__, "calibration."):
        for name, value in vars(import_module(module.name)).items():
            words = (isfunction(value) and value.__doc__) or ""
            if "Guarantee" in words and value.__module__ == module.name and not name.startswith("_"):
                found[f"{module.name}.{name}"] = words
    return found


PROMISING = _promising()


@pytest.mark.parametrize("name", PROMISING)
def test_each_promise_says_by_which_file_it_is_verified(name: str) -> None:
    """Every function that gives a guarantee names a test file that exists."""
    named = re.findall(r"tests/guarantees/\w+\.py", PROMISING[name])
    assert named, f"{name} does not say by which test it is verified"
    assert all((ROOT / file).exists() for file in named)


@pytest.mark.parametrize("name", PROMISING)
def test_each_promise_says_what_it_assumes_or_whose_assumptions_it_shares(name: str) -> None:
    """A guarantee without an assumption is a mistake."""
    assert re.search("assum", PROMISING[name], flags=re.IGNORECASE)


@pytest.mark.parametrize("name", PROMISING)
def test_each_promise_is_on_the_page(name: str) -> None:
    """The page is complete: theorem, function, test and measured miss rate."""
    assert name in FUNCTIONS


def test_every_simulation_is_on_the_page() -> None:
    """Each file that simulates a promise of this package is named."""
    simulating = {
        f"tests/guarantees/{path.name}"
        for path in (ROOT / "tests" / "guarantees").glob("test_*.py")
        if "from calibration." in path.read_text(encoding="utf-8") and path.name != "test_page.py"
    }
    assert len(simulating) >= 12
    assert simulating <= {file for file, _ in TESTS}


def test_the_theorems_are_numbered_without_a_gap_and_each_has_a_row() -> None:
    """Fifteen of them."""
    stated = [int(number) for number in re.findall(r"^\*\*(\d+)\. ", PAGE, flags=re.MULTILINE)]
    rows = {int(number) for number in re.findall(r"^\| (\d+) \|(?! \d)", PAGE, flags=re.MULTILINE)}
    assert stated == list(range(1, 16))
    assert rows == set(stated)


def test_the_table_of_needed_units_is_what_the_function_says() -> None:
    """All four rows."""
    rows = re.findall(r"^\| (\d+) % \| (\d+) \| (\d+) \|$", PAGE, flags=re.MULTILINE)
    expected = [
        (str(p), str(units_needed(p / 100, None)), str(units_needed(p / 100, 0.95))) for p in (10, 5, 2, 1)
    ]
    assert rows == expected
