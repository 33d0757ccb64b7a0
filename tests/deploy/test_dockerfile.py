"""The Dockerfile holds to what an operator expects of an image; `make test-image` runs what it says."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "docker" / "Dockerfile"
DOCKERFILE = FILE.read_text()
SETTINGS = {f"LETHE_{name.upper()}" for name in Settings.model_fields}


def test_the_linter_has_nothing_to_say(command):
    """Hadolint, with no rule left out."""
    done = command("hadolint", FILE)
    assert (0, "") == (done.returncode, done.stdout)


def test_the_image_sets_only_settings_that_there_are():
    """A misspelt one would leave its default in force."""
    assert set() == set(re.findall(r"\b(LETHE_\w+)=", DOCKERFILE)) - SETTINGS


def test_every_image_is_pinned_to_a_whole_version():
    """Neither the base nor a neighbour in the compose files follows a tag that moves."""
    base = re.findall(r"^ARG PYTHON=(.*)$", DOCKERFILE, re.M)
    used = [
        service["image"].partition(":")[2]
        for file in (ROOT / "deploy" / "compose").glob("*.yaml")
        for service in yaml.safe_load(file.read_text())["services"].values()
        if "image" in service and not service["image"].startswith("lethe:")
    ]
    pinned = re.compile(r"v?\d+\.\d+(\.\d+)?(-[\w.-]+)?|\$\{VLLM_TAG:\?set it in .env\}")
    assert base
    assert used
    assert [] == [tag for tag in base + used if not pinned.fullmatch(tag)]


def test_both_images_run_as_a_user_of_their_own_and_check_their_health():
    """What is set in the stage that both stand on counts for both."""
    base = DOCKERFILE.split(" AS base\n")[1].split("\nFROM ")[0]
    assert ["gateway", "local"] == sorted(re.findall(r"^FROM base AS (\w+)$", DOCKERFILE, re.M))
    assert "\nUSER 10001:10001\n" in base
    assert "\nHEALTHCHECK " in base
    assert "USER" not in DOCKERFILE.split("FROM base AS")[1]


def test_the_image_copies_every_package_and_nothing_else_of_ours():
    """A package that is added must be in the image, and in what is sent to the builder."""
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.M))
    packaged = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    allowed = (ROOT / ".dockerignore").read_text()
    assert packaged == copied
    assert [] == [name for name in packaged if f"!{name}\n" not in allowed]


def test_the_gateways_image_installs_nothing_without_its_hash():
    """But the gateway itself, from the wheel that was just built; `local` adds torch, by version alone."""
    stage = DOCKERFILE.split(" AS build-gateway\n")[1].split("\nFROM ")[0]
    installs = re.findall(r"pip (install .*?)(?: \\)?$", stage, re.M)
    assert 3 == len(installs)
    assert [] == [
        said for said in installs if "--require-hashes" not in said and "--no-deps --no-index" not in said
    ]
    assert "pip wheel --no-cache-dir --no-deps --no-build-isolation" in stage
    assert "FROM build-gateway AS build-local" in DOCKERFILE
