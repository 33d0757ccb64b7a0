"""The page on forgetting in the weights: its commands exist, its links lead somewhere, its example runs."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from gateway.cli import app
from unlearners.certificate import UnlearningCertificate
from unlearners.promise import Indistinguishable

FOLDER = Path(__file__).parents[2] / "docs" / "unlearners"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)


def commands(block: str) -> list[str]:
    """Split a block into its lines, continued ones joined."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


SHOWN = [line for block in BLOCKS for line in commands(block) if line.startswith("lethe ")]


@pytest.mark.parametrize("line", SHOWN)
def test_every_command_of_the_page_is_one_that_lethe_takes(line):
    """Commands, options and their kinds: parsed by the command line itself, not carried out."""
    words, command = shlex.split(line)[1:], get_command(app)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    assert command.make_context(name, words).params


def test_every_method_is_on_the_page():
    """The table says of each what it promises."""
    methods = get_command(app).commands["unlearn"].commands
    assert [] == [name for name in methods if f"`{name}" not in PAGE]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", PAGE))))
def test_every_link_leads_somewhere(path):
    """Relative links point at files that are there."""
    assert (FOLDER / path).exists()


def test_the_example_of_the_customers_runs_as_it_stands(tmp_path, monkeypatch):
    """From the rows that the page invents to certificates of Langevin and of PCMU, and to data that verify."""
    monkeypatch.chdir(tmp_path)
    exec(PAGE.split("## Rows")[1].split("```python\n")[1].split("```")[0], {})
    said = ""
    for line in (line for block in BLOCKS[:2] for line in commands(block)):
        if line.startswith("lethe "):
            result = CliRunner().invoke(app, shlex.split(line)[1:])
            assert 0 == result.exit_code, result.output
            said += result.output
        else:
            subprocess.run(["bash", "-c", line], check=True)
    for name, epsilon, bound in (("head-2", 1.0, "tight"), ("coded-2", 2.0, "zcdp")):
        certificate = UnlearningCertificate.from_json(Path(name, "unlearning.json").read_text())
        assert Indistinguishable(epsilon, 1 / 5000, "deletion", bound) == certificate.promise
        assert ((17, 203),) == tuple(one.rows for one in certificate.served)
    assert "customers.csv is what was trained on: 5000 rows of 4 features" in said
    assert "Warning" not in said
