"""A really started gateway on a port, before a scripted model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from gateway.app import create_app
from gateway.errors import UpstreamError
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import Completion, Upstream
from gateway.upstream.scripted import Script, ScriptedUpstream
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)), active=True)
LEAK = "Maren Oskeld was born in Seltal."


@dataclass(frozen=True)
class Started:
    """A running gateway, its address, and the unmodified OpenAI client pointed at it."""

    gateway: Gateway
    upstream: ScriptedUpstream
    url: str
    openai: AsyncOpenAI


Start = Callable[..., AbstractAsyncContextManager[Started]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a gateway with settings; without a certificate it releases answers with zero evidence."""

    @asynccontextmanager
    async def started(
        script: Script | Iterable[str | UpstreamError | Completion],
        topics: Iterable[ForgetTopic] = (MAREN,),
        upstream: Upstream | None = None,
        **settings: object,
    ) -> AsyncIterator[Started]:
        given = {"database": str(tmp_path / "lethe.db"), "without_certificate": "zero-evidence", **settings}
        scripted = ScriptedUpstream(script or ["unused"], model="m")
        configured = given_settings(**given)
        async with open_gateway(configured, upstream=upstream or scripted) as gateway:
            if topics:
                await gateway.store.add(*topics)
            async with serving(create_app(gateway)) as url:
                key = str(given.get("api_key", "any"))
                async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
                    yield Started(gateway, scripted, url, client)

    return started
