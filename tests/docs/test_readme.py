"""What the README says exists, exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from gateway.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(prefix: str, group) -> list[str]:
    """List every command with its path, such as `lethe topics add`."""
    found = []
    for name, command in group.commands.items():
        path = f"{prefix} {name}"
        found += commands(path, command) if hasattr(command, "commands") else [path]
    return found


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_leads_somewhere(path):
    """Relative links of the README point at files that are there."""
    assert (ROOT / path).exists()


@pytest.mark.parametrize("command", commands("lethe", get_command(app)))
def test_every_command_is_documented(command):
    """The tour or the README shows it."""
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    parent = " ".join(command.split()[:2])
    assert command in README + tour or (f"{parent} " in README + tour and command.split()[-1] in README + tour)


def test_every_package_and_file_of_the_map_is_there():
    """The file map names no room that does not exist, and leaves out none of the packages."""
    block = README.split("## File map")[1].split("```")[1]
    named = re.findall(r"^(?:[│├└─ ]*)([\w./-]+(?:\.py|/))", block, flags=re.MULTILINE)
    assert named
    for package in ("gateway/", "verifiers/", "calibration/", "evaluation/"):
        assert package in named
