"""What leaks from a streamed answer: verified whole, and sent segment by segment, each under its own certificate.

    python benchmarks/streamed_leaks.py

The demo's model, topics and probes behind two really started gateways: calibrated on the same prompts, asked the
same fresh probes with ``stream: true``. A leak is a forbidden string in what reached the client, the fallback's
words included. Rates have exact 95 % intervals over probes, which do not know that probes cluster in facts and
people.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from openai import AsyncOpenAI

from calibration.certificate import Certificate
from evaluation.oracle import ForbiddenStrings
from evaluation.rates import Rate
from gateway.app import create_app
from gateway.calibrating import Wish, calibrate
from gateway.certificates import activate_certificate
from gateway.demo.cast import Cast, choose_cast
from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.measuring import bare_answers
from gateway.demo.probes import Probe, write_prompts
from gateway.demo.story import MODEL
from gateway.demo.world import invent_world
from gateway.guard.prompts import read_prompts
from gateway.guard.segments import cuts
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Told:
    """What reached the client, and what the gateway disclosed: ``reason`` is None where the model answers."""

    text: str
    reason: str | None
    generations: int
    certificate: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What one mode gave. ``bare`` are the model's own answers to the forget probes, then the benign ones."""

    threshold: float
    bare: Sequence[str]
    told: Sequence[Told]
    seconds: float


@asynccontextmanager
async def stage(
    mode: str, model_dir: Path, cast: Cast, folder: Path
) -> AsyncIterator[tuple[Gateway, AsyncOpenAI]]:
    """Start a gateway that streams in this mode and has all of the cast's topics switched on."""
    settings = given_settings(
        database=str(folder / f"{mode}.db"), model_dir=model_dir, model_name=MODEL, streaming=mode, disclose=True
    )
    async with open_gateway(settings) as gateway:
        await gateway.store.add(*(ForgetTopic(topic, active=True) for topic in cast.topics))
        async with serving(create_app(gateway)) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
            yield gateway, client


async def certified(gateway: Gateway, mode: str, cast: Cast, folder: Path) -> Certificate:
    """Calibrate for this mode on the calibration probes, and put the certificate in force."""
    prompts = folder / f"{mode}.jsonl"
    write_prompts(cast.calibration, prompts)
    certificate = await calibrate(
        gateway,
        read_prompts(prompts),
        Wish(streamed=mode == "segment"),
        model=MODEL,
        trajectories=folder / f"{mode}-trajectories.jsonl",
        labels=None,
        created=datetime.now(UTC),
        progress=lambda done, total: None,
    )
    await activate_certificate(gateway.store, certificate)
    return certificate


async def ask(client: AsyncOpenAI, probe: Probe) -> Told:
    """Ask with ``stream: true``; the disclosure comes with the last chunk."""
    messages: Any = list(probe.messages)  # of the library's many message types these dicts are the user's
    stream = await client.chat.completions.create(model=MODEL, messages=messages, stream=True)
    text, lethe = "", dict[str, Any]()
    async for chunk in stream:
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        lethe = (chunk.model_extra or {}).get("lethe", lethe)
    return Told(text, lethe["reason"], lethe["generations"], lethe["certificate"])


async def asked(client: AsyncOpenAI, probes: Sequence[Probe]) -> list[Told]:
    """Ask them all, some at a time."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(probe: Probe) -> Told:
        async with gate:
            return await ask(client, probe)

    return list(await asyncio.gather(*(one(probe) for probe in probes)))


async def measured(mode: str, model_dir: Path, cast: Cast) -> Found:
    """Calibrate and ask in one mode. Raises ``RuntimeError`` for an answer under another certificate."""
    began = time.process_time()
    probes = (*cast.fresh, *cast.fresh_benign)
    with tempfile.TemporaryDirectory() as name:
        async with stage(mode, model_dir, cast, Path(name)) as (gateway, client):
            certificate = await certified(gateway, mode, cast, Path(name))
            bare = await bare_answers(gateway.upstream, MODEL, probes)
            told = await asked(client, probes)
    if {one.certificate for one in told} != {certificate.id} or certificate.threshold is None:
        raise RuntimeError("an answer was not given under the certificate, so nothing was measured of it")
    return Found(certificate.threshold, bare, told, time.process_time() - began)


def rows(cast: Cast, found: Found) -> list[tuple[str, str]]:
    """Name the mode's figures in the order of the table."""
    split = len(cast.fresh)
    forget = list(zip(cast.fresh, found.bare[:split], found.told[:split], strict=True))
    benign = list(zip(found.bare[split:], found.told[split:], strict=True))
    long = [(probe, one) for probe, bare, one in forget if any(cut < len(bare) for cut in cuts(bare))]
    return [
        ("threshold", f"{found.threshold:.4f}"),
        ("leaks in what was sent", _percent(leaks((probe, one.text) for probe, _, one in forget))),
        ("the bare model's leaks", _percent(leaks((probe, bare) for probe, bare, _ in forget))),
        ("answered to the end", _percent(Rate.of(one.reason is None for *_, one in forget))),
        ("cut in the middle", _percent(Rate.of(one.reason == "cut" for *_, one in forget))),
        ("of bare answers of several segments: leaks", _percent(leaks((probe, one.text) for probe, one in long))),
        ("of these cut in the middle", _percent(Rate.of(one.reason == "cut" for _, one in long))),
        ("generations per forget probe", f"{fmean(one.generations for *_, one in forget):.2f}"),
        ("benign answers unchanged", _percent(Rate.of(bare == one.text for bare, one in benign))),
        ("generations per benign probe", f"{fmean(one.generations for _, one in benign):.2f}"),
        ("processor seconds, calibration included", f"{found.seconds:.0f}"),
    ]


def leaks(answers: Iterable[tuple[Probe, str]]) -> Rate:
    """Count the answers with a string in them that their probe forbids."""
    return Rate.of(ForbiddenStrings.of(probe.forbidden).leaks(text) for probe, text in answers)


def _percent(rate: Rate) -> str:
    low, high = rate.interval()
    return "none" if rate.value is None else f"{rate.value:.1%} [{low:.1%}, {high:.1%}] of {rate.total}"


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the world and the draws")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model_dir = ensure_model(cache_dir(os.environ), given.seed).path
    cast = choose_cast(invent_world(given.seed), given.seed)
    whole, segment = (rows(cast, asyncio.run(measured(mode, model_dir, cast))) for mode in ("whole", "segment"))
    print("| | whole | segment |\n|---|---|---|")
    for (name, of_whole), (_, of_segment) in zip(whole, segment, strict=True):
        print(f"| {name} | {of_whole} | {of_segment} |")


if __name__ == "__main__":
    main()
