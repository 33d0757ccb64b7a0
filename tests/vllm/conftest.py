"""A real vLLM behind a really started gateway. `make test-vllm` installs vLLM in an environment of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from gateway.app import create_app, open_gateway
from gateway.demo.cast import Cast, choose_cast
from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.world import invent_world
from gateway.running import Gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.upstream.vllm_process import VllmServer, running_vllm

PYTHON = os.environ.get("LETHE_TEST_VLLM_PYTHON")


def pytest_collection_modifyitems(items):
    """Skip this folder's tests where there is no vLLM."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("vllm")
            if not PYTHON:
                item.add_marker(pytest.mark.skip(reason="no vLLM; `make test-vllm` brings it"))


@dataclass(frozen=True)
class Staged:
    """vLLM with the demo's model, a gateway in front of it, and a client of each."""

    gateway: Gateway
    cast: Cast
    url: str
    openai: AsyncOpenAI
    bare: AsyncOpenAI
    vllm_pid: int
    vllm_root: str


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def staged(tmp_path_factory) -> AsyncIterator[Staged]:
    """Start everything once; topics of the demo's cast are active, unverified evidence is not released."""
    model = ensure_model(cache_dir(os.environ), 0)
    server = VllmServer(
        Path(PYTHON or ""),
        str(model.path),
        "m",
        arguments=("--max-model-len", "512", "--dtype", "float32", "--enforce-eager", "--enable-prefix-caching"),
        environment={"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
    )
    cast = choose_cast(invent_world(0), 0)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_vllm(server))
        settings = given_settings(
            database=str(tmp_path_factory.mktemp("vllm") / "lethe.db"),
            upstream_url=running.url,
            upstream_key=running.api_key,
            upstream_bad_words=True,
            without_certificate="zero-evidence",
            disclose=True,
        )
        gateway = await stack.enter_async_context(open_gateway(settings))
        url = await stack.enter_async_context(serving(create_app(gateway)))
        openai = await stack.enter_async_context(AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0))
        bare = await stack.enter_async_context(
            AsyncOpenAI(base_url=running.url, api_key=running.api_key, max_retries=0)
        )
        yield Staged(gateway, cast, url, openai, bare, running.pid, running.url.removesuffix("/v1"))
