"""What is inside is pinned, and can be listed."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.+!-]+)")
LOCKED = re.compile(r"([a-z0-9][a-z0-9.-]*)==([\w.+!-]+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def lines(file):
    """Read a file of pins without its comments."""
    said = (ROOT / file).read_text().splitlines()
    return [line for line in said if line and not line.startswith("#")]


@pytest.mark.parametrize("file", sorted(file.name for file in ROOT.glob("constraints*.txt")))
def test_every_version_is_pinned(file):
    """To one version, of an index."""
    assert [] == [line for line in lines(file) if not PINNED.fullmatch(line)]


def locked(file):
    """Read a file of `make lock`: versions by name. Fails at whatever is no version with hashes."""
    text = re.sub(r"^#.*\n", "", (DOCKER / file).read_text(), flags=re.M)
    assert "" == LOCKED.sub("", text)
    return {name: version for name, version, _ in LOCKED.findall(text)}


def installed_by_the_image():
    """What pyproject.toml asks for, with the extras that `make lock` names."""
    (command,) = re.findall(r"\$\(LOCK\) pyproject.toml (.*\n.*)", (ROOT / "Makefile").read_text())
    extras = re.findall(r"--extra (\w+)", command)
    assert extras
    return [
        *PROJECT["project"]["dependencies"],
        *(each for extra in extras for each in PROJECT["project"]["optional-dependencies"][extra]),
    ]


def test_what_the_image_installs_is_locked_in_the_pinned_versions():
    """`make lock` after every change of constraints.txt; torch, whose files differ by index, is not in it."""
    split = [line.split("==") for line in lines("constraints.txt")]
    pins = {canonicalize_name(name): version for name, version in split}
    versions = locked("gateway.lock")
    assert {} == {name: version for name, version in versions.items() if pins.get(name) != version}
    assert "torch" not in versions


@pytest.mark.parametrize("file", ["gateway.lock", "build.lock"])
def test_what_is_asked_for_is_locked(file):
    """Nothing that pyproject.toml needs for the image, or to be built, would be left for pip to find."""
    asked = installed_by_the_image() if file == "gateway.lock" else PROJECT["build-system"]["requires"]
    versions = locked(file)
    for each in map(Requirement, asked):
        assert each.specifier.contains(versions[canonicalize_name(each.name)])


def test_the_bill_of_materials_lists_every_pin(command, tmp_path):
    """As `make sbom` makes it."""
    out = tmp_path / "sbom.json"
    words = ("--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--validate", "-o", out)
    done = command("cyclonedx-py", "requirements", ROOT / "constraints.txt", *words)
    assert 0 == done.returncode, done.stderr
    made = json.loads(out.read_text())
    assert set(lines("constraints.txt")) == {f"{each['name']}=={each['version']}" for each in made["components"]}
    assert "lethe-gateway" == made["metadata"]["component"]["name"]
