"""Every row of the compatibility page names a test that there is, and every client's test is on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("|-", "| client", "| what |"))
]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PACKAGES = {
    "`openai`": "openai",
    "LangChain": "langchain-openai",
    "instructor": "instructor",
    "the `llm`": "llm",
    "lm-eval": "lm_eval",
}


def functions(path: Path) -> set[str]:
    """Find the tests that a file defines."""
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_row_names_a_test_that_there_is(row):
    """By its file and its name, which nobody has changed since."""
    (named,) = NAMED.findall(row)
    path, name = named
    assert name in functions(ROOT / path)


@pytest.mark.parametrize("path", ["tests/compat/test_clients.py"])
def test_every_clients_test_is_on_the_page(path):
    """What was tried is told."""
    assert set() == functions(ROOT / path) - {name for _, name in NAMED.findall(PAGE)}


@pytest.mark.parametrize("row", [row for row in ROWS if row.count("|") == 5], ids=lambda row: row.split("|")[1])
def test_the_version_is_the_one_that_was_tested(row):
    """As the constraints of `make test` or of `make test-compat` pin it."""
    client, version = (cell.strip() for cell in row.split("|")[1:3])
    (package,) = [package for begins, package in PACKAGES.items() if client.startswith(begins)]
    file = "constraints.txt" if package == "openai" else "constraints-compat.txt"
    pinned = re.search(rf"^{package}==(\S+)$", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert version == ".".join(pinned.group(1).split(".")[: version.count(".") + 1])
