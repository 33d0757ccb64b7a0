"""Runs `lethe serve` before a scripted model and reads its CPU time. Knows no model of capacity."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from fastapi import FastAPI, Request
from verifier_cost import PROSE, made_up_topics

from gateway.serving import serving
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from verifiers.protocol import Topic

__all__ = ["Measured", "Running", "running", "under_load"]

_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway in a process of its own; ``held_s`` gets how long the model took for each answer."""

    url: str
    pid: int
    topics: Sequence[Topic]
    held_s: list[float]

    def cpu_s(self) -> float:
        """CPU seconds that the process has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_S


@dataclass(frozen=True, slots=True)
class Measured:
    """A run: CPU and generations for a request, how long one took, seconds of each request: shape (requests,)."""

    cpu_per_request_s: float
    generations_per_request: float
    generation_s: float
    seconds: np.ndarray[tuple[int], np.dtype[np.float64]]


def scripted_model(topics: Sequence[Topic], held_s: list[float], *, slots: int, service_s: float) -> FastAPI:
    """Answer ``slots`` requests at once, each after ``service_s``: prose, or the leak that is asked for."""
    app, free = FastAPI(), asyncio.Semaphore(slots)
    leaks = {topic.name: " ".join((topic.name, *topic.facts[:1], PROSE)) for topic in topics[:1]}

    @app.get("/v1/models")
    async def models() -> dict[str, object]:
        return {"object": "list", "data": [{"id": "m", "object": "model"}]}

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> dict[str, object]:
        asked = (await request.body()).decode()
        async with free:
            began = time.perf_counter()
            await asyncio.sleep(service_s)
            held_s.append(time.perf_counter() - began)
        said = next((leak for name, leak in leaks.items() if name in asked), PROSE)
        choice = {"index": 0, "message": {"role": "assistant", "content": said[:1000]}, "finish_reason": "stop"}
        return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}

    return app


@asynccontextmanager
async def running(
    folder: Path, *, topics: int, rounds: int, slots: int = 64, service_s: float = 0.0
) -> AsyncIterator[Running]:
    """Start the model and the gateway, with topics and no certificate: only answers without a trace go out."""
    made = made_up_topics(random.Random(0), topics, aliases=10, facts=10)
    database = Path(tempfile.mkdtemp(dir=folder)) / "lethe.db"
    store = await Store.open(str(database), create=True)
    if made:
        await store.add(*(ForgetTopic(topic, active=True) for topic in made))
    await store.aclose()
    held_s: list[float] = []
    async with serving(scripted_model(made, held_s, slots=slots, service_s=service_s)) as url:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LETHE_")}
        ours = {
            "LETHE_UPSTREAM_URL": f"{url}/v1",
            "LETHE_DATABASE": str(database),
            "LETHE_ROUNDS": str(rounds),
            "LETHE_WITHOUT_CERTIFICATE": "zero-evidence",
        }
        words = ("-c", "from gateway.cli import main; main()", "serve", "--host", "127.0.0.1", "--port", "0")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, env={**kept, **ours}, cwd=folder, stderr=asyncio.subprocess.PIPE
        )
        try:
            yield Running(await _listening(process), process.pid, made, held_s)
        finally:
            process.terminate()
            await process.communicate()


async def _listening(process: asyncio.subprocess.Process) -> str:
    if process.stderr is None:
        raise RuntimeError("the gateway's words cannot be read")
    said = ""
    async with asyncio.timeout(60):
        async for line in process.stderr:
            said += line.decode()
            if "listens on " in said:
                return said.split("listens on ")[1].split("/v1")[0]
    raise RuntimeError(f"the gateway did not start: {said}")


async def under_load(
    gateway: Running, *, requests: int, touching: float, per_s: float | None, seed: int, at_once: int = 8
) -> Measured:
    """Ask ``requests`` times: at Poisson times, or ``at_once`` together where ``per_s`` is ``None``."""
    rng = np.random.default_rng(seed)
    touches = rng.random(requests) < touching
    due_s = np.zeros(requests) if per_s is None else np.cumsum(rng.exponential(1 / per_s, requests))
    limit = asyncio.Semaphore(at_once if per_s is None else requests)
    took_s = np.zeros(requests)
    async with httpx.AsyncClient(
        base_url=gateway.url, timeout=120, limits=httpx.Limits(max_connections=200)
    ) as client:
        await _ask(client, gateway, touch=False)
        before, drawn, began = gateway.cpu_s(), len(gateway.held_s), time.perf_counter()

        async def one(number: int) -> None:
            await asyncio.sleep(max(0.0, float(due_s[number]) - (time.perf_counter() - began)))
            async with limit:
                at = time.perf_counter()
                await _ask(client, gateway, touch=bool(touches[number]))
                took_s[number] = time.perf_counter() - at

        await asyncio.gather(*(one(number) for number in range(requests)))
    used_s = gateway.cpu_s() - before
    held_s = gateway.held_s[drawn:]
    return Measured(used_s / requests, len(held_s) / requests, float(np.mean(held_s)), took_s)


async def _ask(client: httpx.AsyncClient, gateway: Running, *, touch: bool) -> None:
    question = f"Who is {gateway.topics[0].name}?" if touch else "How is bread baked by the river?"
    asked = {"model": "m", "messages": [{"role": "user", "content": question}]}
    (await client.post("/v1/chat/completions", json=asked)).raise_for_status()
