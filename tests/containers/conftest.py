"""Debian's podman, with a base image that debootstrap makes here: `make test-containers`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORK = os.environ.get("LETHE_TEST_CONTAINERS")
NEEDED = ("podman", "runc", "netavark", "debootstrap")
BASE = "python:3.11.14-slim-bookworm"
STANDINS = {
    "model": "vllm/vllm-openai-cpu:v0.32.0",
    "postgres": "postgres:17.6-bookworm",
    "prometheus": "prom/prometheus:v3.5.0",
}
CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""


def pytest_collection_modifyitems(items):
    """Skip this folder's tests unless they are asked for."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("containers")
            if not WORK:
                item.add_marker(
                    pytest.mark.skip(reason="needs a container engine; `make test-containers` asks for it")
                )


@dataclass(frozen=True)
class Engine:
    """Podman with a storage of its own, in a folder that outlives the run: what was built once is there again."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Name its configuration, which any program that runs podman then follows."""
        named = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
        path = f"{Path(os.environ['LETHE_TEST_DEPLOY_PYTHON']).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
        return {**os.environ, "PATH": path, **{name: str(self.folder / file) for name, file in named.items()}}

    def __call__(self, *words: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run podman."""
        command = ["podman", *map(str, words)]
        return subprocess.run(
            command, env={**self.environment, **more}, capture_output=True, text=True, timeout=900
        )

    def must(self, *words: str | Path) -> str:
        """Run podman; what it prints. Raises ``RuntimeError`` where it fails."""
        done = self(*words)
        if done.returncode != 0:
            raise RuntimeError(f"podman {words[0]}: {done.stderr[-2000:]}")
        return done.stdout

    def build(self, image: str, context: Path, *words: str | Path) -> None:
        """Build an image of what stands here and of Debian's and Python's packages; nothing is pulled."""
        certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"
        given = ("--format=docker", "--pull=never", "--network=host", "--volume", certificates, "--tag", image)
        self.must("build", *given, *words, context)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Configure podman, and lay Debian with its own Python where the Dockerfile's base image would be."""
    missing = [
        name for name in NEEDED if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/podman")
    ]
    if missing or os.geteuid() != 0:
        pytest.skip(
            f"needs root and Debian's packages podman, runc, netavark, aardvark-dns, debootstrap: {missing}"
        )
    engine = Engine(Path(WORK or ""))
    engine.folder.mkdir(parents=True, exist_ok=True)
    (engine.folder / "containers.conf").write_text(CONTAINERS)
    roots = f'graphroot = "{engine.folder}/root"\nrunroot = "{engine.folder}/run"\n'
    (engine.folder / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\n{roots}')
    if engine("image", "exists", BASE).returncode != 0:
        _base(engine)
    yield engine
    engine("rm", "--all", "--force", "--time=1")


def _base(engine: Engine) -> None:
    debian = engine.folder / "debian"
    shutil.rmtree(debian, ignore_errors=True)
    packages = "--include=python3,python3-venv,python-is-python3,ca-certificates"
    words = ["debootstrap", "--variant=minbase", packages, "bookworm", str(debian)]
    subprocess.run(words, check=True, stdout=sys.stderr, env=engine.environment)
    subprocess.run(["tar", "-C", debian, "-cf", engine.folder / "debian.tar", "."], check=True)
    engine.must("import", engine.folder / "debian.tar", BASE)
    (engine.folder / "debian.tar").unlink()
    shutil.rmtree(debian)


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """Build the gateway's image from its Dockerfile."""
    engine.build("lethe:gateway", ROOT, "--file", ROOT / "deploy/docker/Dockerfile", "--target", "gateway")
    return "lethe:gateway"


@pytest.fixture(scope="session")
def standins(engine: Engine) -> None:
    """Build what stands in for the neighbours' images, under their names."""
    for target, name in STANDINS.items():
        engine.build(name, Path(__file__).with_name("standins"), "--target", target)
