"""A real vLLM behind really started gateways. `make test-vllm` installs vLLM in an environment of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from gateway.app import create_app
from gateway.demo.cast import Cast, choose_cast
from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.world import invent_world
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.upstream.vllm_process import BANS_EVERY_SPELLING, VllmServer, running_vllm

PYTHON = os.environ.get("LETHE_TEST_VLLM_PYTHON")
CHECKOUT = Path(__file__).parents[2]
MODEL = ("--max-model-len", "512", "--dtype", "float32", "--enforce-eager", "--enable-prefix-caching")
PLUGIN = ("--logits-processors", BANS_EVERY_SPELLING)
TOOLS = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")


def pytest_collection_modifyitems(items):
    """Skip this folder's tests where there is no vLLM."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("vllm")
            if not PYTHON:
                item.add_marker(pytest.mark.skip(reason="no vLLM; `make test-vllm` brings it"))


@dataclass(frozen=True)
class Vllm:
    """The server with the demo's model, the demo's cast, and a client without a gateway."""

    url: str
    api_key: str
    pid: int
    cast: Cast
    bare: AsyncOpenAI

    @property
    def root(self) -> str:
        """Where its own metrics are."""
        return self.url.removesuffix("/v1")


@dataclass(frozen=True)
class Staged:
    """A gateway in front of vLLM, and a client of each."""

    vllm: Vllm
    gateway: Gateway
    openai: AsyncOpenAI

    @property
    def cast(self) -> Cast:
        """Who is forgotten, and what is asked."""
        return self.vllm.cast

    @property
    def bare(self) -> AsyncOpenAI:
        """A client without the gateway."""
        return self.vllm.bare


@asynccontextmanager
async def gateway_before(vllm: Vllm, directory: Path, **given: Any) -> AsyncIterator[Staged]:
    """Start a gateway in front of vLLM; while no certificate is active, answers with evidence are not released."""
    defaults = {"upstream_bad_words": "every_spelling", "without_certificate": "zero-evidence", "disclose": True}
    settings = given_settings(
        **{**defaults, **given},
        database=str(directory / "lethe.db"),
        upstream_url=vllm.url,
        upstream_key=vllm.api_key,
    )
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(open_gateway(settings))
        url = await stack.enter_async_context(serving(create_app(gateway)))
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
        yield Staged(vllm, gateway, await stack.enter_async_context(client))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm() -> AsyncIterator[Vllm]:
    """Start vLLM once, with the logits processor of this checkout and a parser of tool calls."""
    model = ensure_model(cache_dir(os.environ), 0)
    own = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    server = VllmServer(
        Path(PYTHON or ""),
        str(model.path),
        "m",
        arguments=(*MODEL, *PLUGIN, *TOOLS),
        environment={**own, "PYTHONPATH": str(CHECKOUT)},
    )
    async with (
        running_vllm(server) as running,
        AsyncOpenAI(base_url=running.url, api_key=running.api_key, max_retries=0) as bare,
    ):
        yield Vllm(running.url, running.api_key, running.pid, choose_cast(invent_world(0), 0), bare)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def staged(vllm, tmp_path_factory) -> AsyncIterator[Staged]:
    """Start the gateway that the tests of the whole story share."""
    async with gateway_before(vllm, tmp_path_factory.mktemp("vllm")) as staged:
        yield staged
