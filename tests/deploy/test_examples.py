"""Every example configuration is really started, before a scripted model, and forgets."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.app import create_app
from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.upstream.scripted import ScriptedUpstream

EXAMPLES = Path(__file__).parents[2] / "examples" / "deployments"
SERVED = sorted(file.stem for file in EXAMPLES.glob("*.yaml") if not file.stem.startswith("helm-"))
ADDRESS = re.compile(r"https?://\S+/v1$", re.M)
KEYS = {
    "ADMIN_KEY": "admin",
    "CLIENTS_KEY": "client",
    "METRICS_KEY": "metrics",
    "HOSTED_KEY": "h",
    "VLLM_KEY": "v",
}
LEAK = "Maren Oskeld was born in Seltal."


@asynccontextmanager
async def model(tmp_path: Path) -> AsyncIterator[str]:
    """Serve a model that knows of one person, and of nobody else."""
    upstream = ScriptedUpstream([LEAK], model="scripted")
    settings = given_settings(database=str(tmp_path / "model.db"))
    async with open_gateway(settings, upstream=upstream) as gateway, serving(create_app(gateway)) as url:
        yield f"{url}/v1"


@asynccontextmanager
async def lethe(file: Path, environment: dict[str, str]) -> AsyncIterator[str]:
    """Run `lethe serve --config FILE` until the block ends; it must end by itself when asked to."""
    words = ("-c", "from gateway.cli import main; main()", "serve", "--config", str(file))
    where = ("--host", "127.0.0.1", "--port", "0")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        *where,
        env=environment,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stderr is not None
        said = []
        async with asyncio.timeout(60):
            async for line in process.stderr:
                said.append(line.decode())
                if "listens on" in said[-1]:
                    break
        assert "listens on" in "".join(said), said
        yield said[-1].split("listens on ")[1].split("/v1")[0]
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)


def example(name: str, tmp_path: Path, url: str) -> Path:
    """Copy an example, with the model's address in the place of those that it names."""
    copy = tmp_path / f"{name}.yaml"
    copy.write_text(ADDRESS.sub(url, (EXAMPLES / f"{name}.yaml").read_text()))
    return copy


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """Give the variables that the files name, and nothing of the tests' own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LETHE_")}
    return {**kept, **KEYS, "DRIFT_FILE": str(tmp_path / "drift.json"), **more}


async def ask(client: httpx.AsyncClient) -> str:
    """Ask for what the model knows."""
    models = await client.get("/v1/models")
    asked = {
        "model": models.json()["data"][0]["id"],
        "messages": [{"role": "user", "content": "Who is Maren Oskeld?"}],
    }
    answer = await client.post("/v1/chat/completions", json=asked, timeout=60)
    return str(answer.json()["choices"][0]["message"]["content"])


async def forgets(url: str) -> None:
    """Check the doors, then that a topic counts from the next request on."""
    async with httpx.AsyncClient(base_url=url, headers={"authorization": "Bearer client"}) as client:
        assert {"status": "alive"} == (await client.get("/healthz")).json()
        assert 401 == (await client.get("/admin/topics")).status_code
        before = await ask(client)
        admin = {"authorization": "Bearer admin"}
        topic = {"id": "case-1", "name": "Maren Oskeld", "facts": [LEAK]}
        assert 201 == (await client.post("/admin/topics", json=topic, headers=admin)).status_code
        after = await ask(client)
        assert before != after
        assert "Seltal" not in after
        told = await client.get("/metrics", headers={"authorization": "Bearer metrics"})
        assert 'lethe_answers_total{outcome="uncertified"}' in told.text


@pytest.mark.parametrize("name", [name for name in SERVED if name not in {"replicas", "air-gapped"}])
async def test_an_example_starts_and_forgets(name, tmp_path):
    """One process before one server."""
    async with model(tmp_path) as url:
        given = environment(tmp_path, LETHE_DATABASE=str(tmp_path / "lethe.db"))
        async with lethe(example(name, tmp_path, url), given) as at:
            await forgets(at)


async def test_two_replicas_start_and_forget_together(postgres, tmp_path):
    """What one is told, the other knows within a second."""
    async with model(tmp_path) as url:
        given = environment(tmp_path, DATABASE_URL=postgres.new_database())
        file = example("replicas", tmp_path, url)
        async with lethe(file, given) as first, lethe(file, given) as second:
            await forgets(first)
            await asyncio.sleep(1)
            async with httpx.AsyncClient(base_url=second, headers={"authorization": "Bearer client"}) as client:
                assert "Seltal" not in await ask(client)


@pytest.mark.model
async def test_the_air_gapped_example_starts_and_answers(tmp_path):
    """The model is a directory, and hubs are out of reach."""
    made = ensure_model(cache_dir(os.environ), 0)
    given = environment(
        tmp_path, LETHE_DATABASE=str(tmp_path / "lethe.db"), MODEL_DIR=str(made.path), HF_HUB_OFFLINE="1"
    )
    async with lethe(EXAMPLES / "air-gapped.yaml", given) as url, httpx.AsyncClient(base_url=url) as client:
        assert {"status": "alive"} == (await client.get("/healthz")).json()
        assert await ask(client)


def test_every_kind_of_deployment_has_an_example():
    """None can be removed without its row in the page of deployments."""
    page = (EXAMPLES.parents[1] / "docs" / "deployment.md").read_text()
    assert [] == [file.name for file in EXAMPLES.glob("*.yaml") if file.name not in page]
