"""A gateway for a moment, on a port of this machine and with a database of its own, that is asked like any other.

Knows nothing of the topics that are really forgotten: what it forgets is made up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import orjson

from gateway.app import create_app
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import Settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import Upstream
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

__all__ = ["streams", "withheld"]

_LEAK: Final = "Quillon Vashtemere was born in Ostrellin."
_SECRETS: Final = ("Quillon", "Vashtemere", "Ostrellin")
_CANARY: Final = ForgetTopic(
    Topic("doctors-canary", "Quillon Vashtemere", facts=(_LEAK,)),
    active=True,
)
_ASKED: Final = "Where was Quillon Vashtemere born?"
_MODEL: Final = "canary"


async def withheld(settings: Settings) -> str:
    """Ask about a made-up topic a model that always tells, and say what came out that should not: "" for nothing.

    With the configured verifiers and loop, whole and streamed. Raises ``LetheError`` and ``httpx.HTTPError``.
    """
    async with _gateway(settings, ScriptedUpstream([_LEAK], model=_MODEL), _CANARY) as client:
        whole = (await client.post("/v1/chat/completions", json=_body(_MODEL, _ASKED))).text
        streamed, _ = await _streamed(client, _body(_MODEL, _ASKED))
    for how, said in (("an answer", whole), ("a stream", streamed)):
        if any(word in said for word in _SECRETS):
            return f"{how} told what was to be forgotten"
        if '"choices"' not in said:
            return f"{how} was no answer, not even the fallback"
    return ""


async def streams(settings: Settings, upstream: Upstream, model: str) -> str:
    """Ask the real model for a short stream and say what is wrong with it: "" for nothing. ``upstream`` is closed.

    Raises ``LetheError`` and ``httpx.HTTPError``.
    """
    async with _gateway(settings, upstream) as client:
        body = {**_body(model, "Say hello."), "max_tokens": 8}
        said, status = await _streamed(client, body)
    if status != httpx.codes.OK:
        return f"it was answered with status {status}"
    if '"error"' in said:
        return "the stream ended in an error"
    return "" if said.rstrip().endswith("data: [DONE]") else "the stream did not end with [DONE]"


@asynccontextmanager
async def _gateway(
    settings: Settings, upstream: Upstream, *topics: ForgetTopic
) -> AsyncIterator[httpx.AsyncClient]:
    """Start it with what concerns the loop and the verifiers as configured, and nothing that leaves a trace."""
    with TemporaryDirectory(prefix="lethe-doctor-") as folder:
        ours = {
            "database": str(Path(folder) / "canary.db"),
            "drift_file": Path(folder) / "drift.json",
            "without_certificate": "zero-evidence",
            "api_key": None,
            "oidc_issuer": None,
            "audit_file": None,
            "otel": False,
        }
        async with open_gateway(settings.model_copy(update=ours), upstream=upstream) as gateway:
            if topics:
                await gateway.store.add(*topics)
            async with (
                serving(create_app(gateway)) as url,
                httpx.AsyncClient(base_url=url, timeout=settings.deadline_s + 10, trust_env=False) as client,
            ):
                yield client


def _body(model: str, text: str) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


async def _streamed(client: httpx.AsyncClient, body: dict[str, Any]) -> tuple[str, int]:
    """Read a whole stream; gives what it said and the status."""
    content = orjson.dumps({**body, "stream": True})
    headers = {"content-type": "application/json"}
    async with client.stream("POST", "/v1/chat/completions", content=content, headers=headers) as answer:
        return (await answer.aread()).decode("utf-8", "replace"), answer.status_code
