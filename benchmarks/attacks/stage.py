"""A really started gateway under a real certificate, before a server that hides what the demo's model knows."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from attacks.server import MODEL, Hiding
from calibration.certificate import Certificate
from gateway.app import create_app
from gateway.calibrating import Wish, calibrate
from gateway.certificates import activate_certificate
from gateway.demo.cast import Cast, choose_cast
from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.probes import write_prompts
from gateway.demo.world import invent_world
from gateway.guard.prompts import read_prompts
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.transformers import TransformersUpstream

__all__ = ["Stage", "staged"]


@dataclass(frozen=True, slots=True)
class Stage:
    """The addresses (``whole`` and ``segment`` stream differently, before one database), and who hides answers."""

    bare: str
    whole: str
    segment: str
    server: Hiding
    cast: Cast
    certificates: tuple[Certificate, Certificate]


@asynccontextmanager
async def staged(folder: Path, *, level: float, prompts: int, seed: int = 0) -> AsyncIterator[Stage]:
    """Start all, forget the demo's cast, and put certificates in force for whole and for streamed answers.

    They are made on the first ``prompts`` of the cast's forget probes.
    """
    cast = choose_cast(invent_world(seed), seed)
    async with AsyncExitStack() as stack:
        model = TransformersUpstream(ensure_model(cache_dir(os.environ), seed).path, name=MODEL)
        stack.push_async_callback(model.aclose)
        server = Hiding(model)
        bare = await stack.enter_async_context(serving(server.app()))
        parts: list[Gateway] = []
        urls: list[str] = []
        for streaming in ("whole", "segment"):
            settings = given_settings(
                database=str(folder / "redteam.db"),
                upstream_url=f"{bare}/v1",
                admin_key=secrets.token_urlsafe(24),
                streaming=streaming,
                drift_file=folder / f"{streaming}.json",
                upstream_retries=0,
                breaker_failures=1_000_000,  # the server fails on purpose
            )
            parts.append(await stack.enter_async_context(open_gateway(settings)))
            urls.append(await stack.enter_async_context(serving(create_app(parts[-1]))))
        await parts[0].store.add(*(ForgetTopic(topic, active=True) for topic in cast.topics))
        write_prompts(
            [probe for probe in cast.calibration if not probe.benign][:prompts], folder / "prompts.jsonl"
        )
        whole = await _certified(parts[0], folder, level, streamed=False)
        streamed = await _certified(parts[1], folder, level, streamed=True)
        yield Stage(bare, urls[0], urls[1], server, cast, (whole, streamed))


async def _certified(gateway: Gateway, folder: Path, level: float, *, streamed: bool) -> Certificate:
    certificate = await calibrate(
        gateway,
        read_prompts(folder / "prompts.jsonl"),
        Wish(level, 0.95, streamed=streamed),
        model=MODEL,
        trajectories=folder / f"trajectories-{streamed}.jsonl",
        labels=None,
        created=datetime.now(UTC),
        progress=lambda done, total: None,
    )
    await activate_certificate(gateway.store, certificate)
    return certificate
