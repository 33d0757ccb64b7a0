"""Every row of the page on faults names a test that there is, and every fault that is tested is on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.test_clients import COUNTS
from tests.faults.test_upstream import FAULTS
from tests.faults.test_upstream_shapes import SHAPES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("|-", "| what"))]
MANY = repr(COUNTS)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def functions(path: Path) -> dict[str, str]:
    """Find the tests that a file defines, with what stands directly before each."""
    source = path.read_text(encoding="utf-8")
    found = re.findall(r"((?:^@.*\n(?:^[ )].*\n)*)*)^(?:async )?def (test_\w+)\(", source, flags=re.MULTILINE)
    every = "mark.faults" if "pytestmark = pytest.mark.faults" in source else ""
    return {name: marks + every + (MANY if "@MANY" in marks else "") for marks, name in found}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_row_names_a_test_that_there_is(row):
    """By its file and its name, and says of the slow ones that they are."""
    (named,) = NAMED.findall(row)
    path, name = named
    marks = functions(ROOT / path)[name]
    assert bool(re.search(r"mark.faults|name=.faults", marks)) == ("*slow*" in row)


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "faults").glob("test_*.py")), ids=lambda path: path.name)
def test_every_fault_that_is_tested_is_on_the_page(path):
    """Whoever adds one says what happened."""
    assert set() == functions(path).keys() - {name for _, name in NAMED.findall(PAGE)}


def test_the_page_lists_every_way_in_which_the_model_server_fails():
    """As the test names them, and as many shapes as it tries."""
    (row,) = [row for row in ROWS if "costs_the_answer_and_no_more" in row]
    listed = row.split("|")[1].split(": all at once")[0]
    assert [*FAULTS] == listed.strip().split("; ")
    assert f"| {len(SHAPES)} wrong shapes" in PAGE
