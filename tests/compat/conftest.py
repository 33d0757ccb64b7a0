"""Clients that pin other versions than ours, in an environment of their own; `make test-compat` makes it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.app import create_app
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import ChatRequest, Choice, Completion, EmbeddingRequest, Embeddings
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

PYTHON = os.environ.get("LETHE_TEST_COMPAT_PYTHON")
MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)), active=True)
HILL = '{"name": "Mount Ell", "metres": 2100}'


def pytest_collection_modifyitems(items):
    """Skip this folder's tests where the clients are not installed."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("compat")
            if not PYTHON:
                item.add_marker(pytest.mark.skip(reason="no client libraries; `make test-compat` brings them"))


class Model(ScriptedUpstream):
    """Calls the tool that it is given, keeps to a schema, knows of one person and of a hill, and embeds."""

    def __init__(self) -> None:
        super().__init__(_said, model="m")

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Give each text its length."""
        return Embeddings(tuple([float(len(text)), 1.0] for text in request.inputs), len(request.inputs))


def _said(request: ChatRequest) -> str | Completion:
    asked = str(request.messages[-1]["content"])
    tools = request.parameters.get("tools")
    if "Maren" in asked:
        return "Maren Oskeld was born in Seltal."
    if tools and request.messages[-1]["role"] == "user":
        name = tools[0]["function"]["name"]
        function = {"name": name, "arguments": '{"what": "hills"}' if name == "look_up" else HILL}
        call = {"id": "c1", "type": "function", "function": function}
        return Completion("m", (Choice({"role": "assistant", "tool_calls": [call]}, "tool_calls"),))
    return HILL if "response_format" in request.parameters else "It is Mount Ell."


@dataclass(frozen=True)
class Gate:
    """A running gateway, what its model was asked, and how to run a program of the other environment."""

    url: str
    model: Model
    run: Callable[..., Awaitable[str]]


@pytest.fixture
def gate(tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Gate]]:
    """Start a gateway on a port, with one topic, before the scripted model."""

    @asynccontextmanager
    async def started() -> AsyncIterator[Gate]:
        given: dict[str, Any] = {"database": str(tmp_path / "lethe.db"), "without_certificate": "zero-evidence"}
        model = Model()
        async with open_gateway(given_settings(**given), upstream=model) as gateway:
            await gateway.store.add(MAREN)
            async with serving(create_app(gateway)) as url:
                yield Gate(f"{url}/v1", model, _program(tmp_path))

    return started


def _program(home: Path) -> Callable[..., Awaitable[str]]:
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OPENAI_API_KEY": "any", "HOME": str(home)}
    keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    async def run(*arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """Run python with these arguments, and give what it prints. Shows what went wrong where it fails."""
        process = await asyncio.create_subprocess_exec(
            PYTHON or "",
            *arguments,
            cwd=home,
            env={**keep, **offline, **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), 100)
        except BaseException:
            process.kill()
            await process.wait()
            raise
        assert 0 == process.returncode, err.decode()[-3000:]
        return out.decode()

    return run
