"""The image is built and run by a container engine; the compose files bring it up beside stand-ins."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.containers.conftest import ROOT, Engine

KEYS = {"LETHE_API_KEY": "client", "LETHE_ADMIN_KEY": "admin", "LETHE_METRICS_KEY": "metrics"}
OTHERS = {"GRAFANA_PASSWORD": "g", "POSTGRES_PASSWORD": "p", "MODEL": "m", "VLLM_TAG": "v0.32.0"}
HARD = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
UP = ("lethe", "vllm-cpu", "prometheus")


def soon(holds: Callable[[], object], within_s: float = 60) -> bool:
    """Ask until something holds, but no longer than that."""
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        if holds():
            return True
        time.sleep(0.2)
    return False


@pytest.fixture
def gateway(engine: Engine, image: str) -> Iterator[str]:
    """Run the image as docs/deployment.md says an operator should, with no network at all."""
    settings = ("--env", "LETHE_UPSTREAM_URL=http://127.0.0.1:9/v1")
    name = engine.must("run", "--detach", "--network=none", *HARD, *settings, image).strip()
    yield name
    engine.must("rm", "--force", "--time=1", name)


def test_the_image_runs_as_nobody_in_particular_on_a_root_that_cannot_be_written(engine: Engine, gateway: str):
    """And is healthy by its own check, and keeps its database where only it can read."""
    assert soon(lambda: engine("healthcheck", "run", gateway).returncode == 0)
    assert "10001:10001\n" == engine.must("exec", gateway, "sh", "-c", "echo $(id -u):$(id -g)")
    assert 0 != engine("exec", gateway, "touch", "/written").returncode
    engine.must("exec", gateway, "lethe", "topics", "add", "--name", "Maren Oskeld")
    assert "600\n" == engine.must("exec", gateway, "stat", "-c%a", "/data/lethe.db")
    status = engine.must("exec", gateway, "cat", "/proc/1/status")
    assert {"CapEff:\t0000000000000000", "NoNewPrivs:\t1"} <= set(status.splitlines())


def test_the_engine_ends_the_image_politely(engine: Engine, gateway: str):
    """It hears SIGTERM as the first process that it is, and is not killed."""
    assert soon(lambda: engine("healthcheck", "run", gateway).returncode == 0)
    began = time.monotonic()
    engine.must("stop", "--time=30", gateway)
    assert time.monotonic() - began < 20
    assert engine.must("inspect", "--format={{.State.ExitCode}}", gateway).strip() in ("0", "143")


def test_the_image_holds_no_torch(engine: Engine, gateway: str):
    """That is what `local` is for."""
    assert 0 != engine("exec", gateway, "python", "-c", "import torch").returncode


class Compose:
    """podman-compose with a copy of deploy/compose, less what Debian 12's podman cannot do."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self._folder = folder / "deploy/compose"
        shutil.copytree(ROOT / "deploy", folder / "deploy")
        (self._folder / "metrics-key").write_text(KEYS["LETHE_METRICS_KEY"])
        self._change("compose.yaml", "{ environment: LETHE_METRICS_KEY }", "{ file: ./metrics-key }")
        self._change("postgres.yaml", '[/tmp, "/var/run/postgresql:uid=999,gid=999"]', "[/tmp]")

    def _change(self, name: str, old: str, new: str) -> None:
        file = self._folder / name
        text = file.read_text()
        assert 1 == text.count(old)
        file.write_text(text.replace(old, new))

    def __call__(self, *words: str) -> str:
        """Run it; what it prints. Raises ``RuntimeError`` where it fails."""
        files = ("-f", "compose.yaml", "-f", "postgres.yaml", "--profile", "cpu")
        environment = {**self._engine.environment, **KEYS, **OTHERS}
        done = subprocess.run(
            ["podman-compose", *files, *words],
            cwd=self._folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-3000:])
        return done.stdout

    def start(self) -> None:
        """Bring it up in the order that the files ask for, which this podman does not know to wait for."""
        self("up", "-d", "--no-build", "--no-deps", "postgres")
        assert soon(lambda: self._engine("healthcheck", "run", "lethe_postgres_1").returncode == 0)
        self("run", "--rm", "--no-deps", "-T", "migrate")
        self("up", "-d", "--no-build", "--no-deps", *UP)
        assert soon(lambda: self._engine("healthcheck", "run", "lethe_lethe_1").returncode == 0)


@pytest.fixture(scope="module")
def compose(
    engine: Engine, image: str, standins: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Compose]:
    """Bring the gateway up with PostgreSQL, Prometheus and a model, each a container of its own."""
    compose = Compose(engine, tmp_path_factory.mktemp("compose"))
    try:
        compose.start()
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "1")


def test_the_gateway_forgets_beside_its_neighbours(compose: Compose):
    """By the port that compose publishes: a topic counts from the next request on, and lies in PostgreSQL."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "Who is Maren Oskeld?"}]}
    with httpx.Client(base_url="http://127.0.0.1:8000", headers={"authorization": "Bearer client"}) as client:
        before = client.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"]["content"]
        topic = {"id": "case-1", "name": "Maren Oskeld", "facts": ["Maren Oskeld was born in Seltal."]}
        admin = {"authorization": "Bearer admin"}
        assert 201 == client.post("/admin/topics", json=topic, headers=admin).status_code
        after = client.post("/v1/chat/completions", json=asked).text
    assert "Maren Oskeld was born in Seltal." == before
    assert "Seltal" not in after


def test_nobody_goes_around_the_gateway(engine: Engine, compose: Compose):
    """By compose's networks: Prometheus reaches the gateway, and neither the model nor the database."""
    ask = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
    reached = {
        (host, port): engine("exec", "lethe_prometheus_1", "python3", "-c", ask, host, port).returncode == 0
        for host, port in (("lethe", "8000"), ("vllm", "8000"), ("postgres", "5432"))
    }
    assert {("lethe", "8000"): True, ("vllm", "8000"): False, ("postgres", "5432"): False} == reached


def test_prometheus_reads_the_gateways_metrics_by_its_key(engine: Engine, compose: Compose):
    """From the secret that compose mounts, and with the rules that the chart ships."""

    def said(path: str) -> dict[str, object]:
        ask = (
            f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:9090/api/v1/{path}').read().decode())"
        )
        return json.loads(engine.must("exec", "lethe_prometheus_1", "python3", "-c", ask))["data"]

    up = 'query?query=up%7Bjob="lethe"%7D==1'
    assert soon(lambda: said(up)["result"])
    assert {"ok"} == {rule["health"] for group in said("rules")["groups"] for rule in group["rules"]} - {"unknown"}
