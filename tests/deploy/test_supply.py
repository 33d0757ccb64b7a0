"""What is inside is pinned, and can be listed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.+!-]+)")


def lines(file):
    """Read a file of pins without its comments."""
    said = (ROOT / file).read_text().splitlines()
    return [line for line in said if line and not line.startswith("#")]


@pytest.mark.parametrize("file", sorted(file.name for file in ROOT.glob("constraints*.txt")))
def test_every_version_is_pinned(file):
    """To one version, of an index."""
    assert [] == [line for line in lines(file) if not PINNED.fullmatch(line)]


def test_the_bill_of_materials_lists_every_pin(command, tmp_path):
    """As `make sbom` makes it."""
    out = tmp_path / "sbom.json"
    words = ("--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--validate", "-o", out)
    done = command("cyclonedx-py", "requirements", ROOT / "constraints.txt", *words)
    assert 0 == done.returncode, done.stderr
    made = json.loads(out.read_text())
    assert set(lines("constraints.txt")) == {f"{each['name']}=={each['version']}" for each in made["components"]}
    assert "lethe-gateway" == made["metadata"]["component"]["name"]
