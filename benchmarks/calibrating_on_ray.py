"""A calibration in one process and on a local Ray of one and two workers: seconds, and whether it is the same.

Before a model over HTTP that takes its time (--latency), and with the demo's in process. Needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from calibration.certificate import Certificate
from gateway.calibrating import Wish, calibrate
from gateway.demo.cast import choose_cast
from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.probes import write_prompts
from gateway.demo.world import invent_world
from gateway.engines.on_ray import LOCAL, on_ray
from gateway.engines.protocol import HERE, Engine
from gateway.guard.prompts import read_prompts
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import Settings, given_settings
from gateway.store.records import ForgetTopic

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Run:
    """``first_s``: seconds to the first finished prompt, all that has to start included."""

    engine: str
    seconds: float
    first_s: float
    prompts: int
    certificate: Certificate

    def said(self, same: bool) -> str:
        """Write a row of the table."""
        rate = (self.prompts - 1) / (self.seconds - self.first_s)
        words = "yes" if same else "NO"
        return f"| {self.engine} | {self.seconds:.1f} | {self.first_s:.1f} | {rate:.1f} | {words} |"


def engines(concurrency: int) -> Iterator[tuple[str, AbstractContextManager[Engine], int]]:
    """Name them, each with how many prompts are in the loop at once at each of its places."""
    yield "one process", nullcontext(HERE), concurrency
    yield f"one process, {2 * concurrency} at once", nullcontext(HERE), 2 * concurrency
    for workers in (1, 2):
        yield f"Ray, workers: {workers}", on_ray(LOCAL, workers=workers, concurrency=concurrency), concurrency


async def timed(settings: Settings, folder: Path, name: str, engine: Engine, concurrency: int) -> Run:
    """Calibrate once, from the opening of the gateway to the certificate."""
    began, first_s = time.perf_counter(), 0.0
    prompts = read_prompts(folder / "prompts.jsonl")

    def progress(done: int, total: int) -> None:
        nonlocal first_s
        if done and not first_s:
            first_s = time.perf_counter() - began

    recorded = folder / "trajectories.jsonl"
    recorded.unlink(missing_ok=True)
    async with open_gateway(settings, create=False) as gateway:
        (model,) = await gateway.upstream.models()
        made = await calibrate(
            gateway, prompts, Wish(), model=model, trajectories=recorded, labels=None, created=UNTIL,
            progress=progress, concurrency=concurrency, engine=engine,
        )  # fmt: skip
    return Run(name, time.perf_counter() - began, first_s, len(prompts.prompts), made)


def measured(given: Mapping[str, Any], folder: Path, count: int, concurrency: int) -> list[Run]:
    """Calibrate with every engine on so many of the demo's prompts."""
    cast = choose_cast(invent_world(0), 0)
    share = count / len(cast.calibration)
    forget = [probe for probe in cast.calibration if not probe.benign]
    benign = [probe for probe in cast.calibration if probe.benign]
    chosen = [*forget[: round(share * len(forget))], *benign[: round(share * len(benign))]]
    write_prompts(chosen, folder / "prompts.jsonl")
    settings = given_settings(database=str(folder / "lethe.db"), **given)
    asyncio.run(_add(settings, [ForgetTopic(topic) for topic in cast.topics]))
    found = []
    for name, opened, at_once in engines(concurrency):
        began = time.perf_counter()
        with opened as engine:
            started_s = time.perf_counter() - began
            run = asyncio.run(timed(settings, folder, name, engine, at_once))
        found.append(Run(name, run.seconds + started_s, run.first_s + started_s, run.prompts, run.certificate))
        print(found[-1].said(found[-1].certificate == found[0].certificate), flush=True)
    return found


async def _add(settings: Settings, topics: list[ForgetTopic]) -> None:
    async with open_gateway(settings) as gateway:
        await gateway.store.add(*topics)


async def serve(latency_s: float) -> None:
    """Be a model that takes so long for each answer, and leaks when it is asked for the first time."""
    app = FastAPI()

    @app.get("/v1/models")
    async def models() -> object:
        return {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "x"}]}

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> object:
        messages = (await request.json())["messages"]
        await asyncio.sleep(latency_s)
        said = messages[-1]["content"] if len(messages) == 1 else "I do not know anything about that."
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 12, "completion_tokens": 60, "total_tokens": 72}
        head = {"id": "c", "object": "chat.completion", "created": 0, "model": "m"}
        return {**head, "choices": [choice], "usage": usage}

    async with serving(app) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


@contextmanager
def model_server(latency_s: float) -> Iterator[str]:
    """Run it in a process of its own; gives its base URL."""
    command = [sys.executable, __file__, "--serve", "--latency", str(latency_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield f"{(process.stdout or sys.stdin).readline().strip()}/v1"
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main() -> int:
    """Print a table for each model; exit 1 where a certificate is another one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--latency", type=float, default=0.5, help="seconds of the model over HTTP for an answer")
    parser.add_argument("--concurrency", type=int, default=8, help="prompts at once in each process")
    parser.add_argument("--prompts", type=int, default=150, help="of the demo's 600; two thirds ask for a topic")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.latency))
    model = ensure_model(cache_dir(os.environ), 0)
    found: dict[str, list[Run]] = {}
    head = "| | seconds | to the first prompt | prompts/s after it | same certificate |\n|---|---|---|---|---|"
    with tempfile.TemporaryDirectory() as folder, model_server(options.latency) as url:
        for name, given in (
            (f"a model over HTTP, {options.latency} s an answer", {"upstream_url": url}),
            ("the demo's model in process", {"model_dir": model.path}),
            ("the demo's model in process, one chat at a time", {"model_dir": model.path, "max_batch": 1}),
        ):
            place = Path(folder, str(len(found)))
            place.mkdir()
            print(f"\n{name}, load {os.getloadavg()[0]:.1f} at the start\n\n{head}")
            found[name] = measured({"rounds": 3, **given}, place, options.prompts, options.concurrency)
    if options.json:
        rows = {name: [(r.engine, r.seconds, r.first_s, r.prompts) for r in runs] for name, runs in found.items()}
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    kept = [run.certificate == runs[0].certificate for runs in found.values() for run in runs]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
