"""The story that `lethe demo` tells: a model that knew people, a gateway that forgets them, and how surely."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from calibration.certificate import Certificate
from calibration.explanation import in_one_sentence
from evaluation.measurement import Measurement, Promise, measure
from gateway.app import create_app
from gateway.calibrating import Wish, calibrate
from gateway.certificates import activate_certificate
from gateway.demo.cast import Cast, choose_cast
from gateway.demo.checkpoint import TrainedModel, ensure_model
from gateway.demo.client import Client
from gateway.demo.measuring import bare_answers, benign_results, forget_results, guarded_answers
from gateway.demo.probes import Probe, write_prompts
from gateway.demo.world import invent_world
from gateway.errors import InvalidInput
from gateway.guard.prompts import read_prompts
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.serving import serving
from gateway.settings import given_settings

__all__ = ["MODEL", "Stage", "Teller", "Told", "Wanted", "on_stage", "perform", "tell"]

MODEL = "lethe-demo"


class Teller(Protocol):
    """Who the story is told to."""

    def heading(self, text: str) -> None:
        """Begin a chapter."""
        ...

    def exchange(self, question: str, answer: str) -> None:
        """Show a question and its answer."""
        ...

    def say(self, text: str) -> None:
        """Tell a sentence."""
        ...

    def progress(self, share: float, words: str) -> None:
        """Tell how much of the chapter's work is done, in [0, 1]."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the demo is asked to promise, and the world's seed."""

    level: float = 0.05
    confidence: float = 0.95
    rounds: int = 5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """A running gateway before the demo's model, and a client that talks to it over HTTP."""

    gateway: Gateway
    client: Client
    url: str
    admin_key: str


@dataclass(frozen=True, slots=True)
class Told:
    """What was measured, and the certificate that it is held against."""

    measured: Measurement
    certificate: Certificate


async def perform(
    wanted: Wanted, cache: Path, teller: Teller, *, port: int, after: Callable[[Stage, Told], Awaitable[None]]
) -> Told:
    """Train or load the model, tell the story in a folder that is thrown away, then let ``after`` have it all.

    Raises ``InvalidInput`` where the cache cannot be written, the port is taken, or nothing can be promised.
    """
    teller.heading("A small chat model that knows an invented world")
    model = await _trained(cache, wanted.seed, teller)
    taken = "taken from the cache" if model.from_cache else f"trained in {model.train_s:.0f} s"
    teller.say(f"It was {taken}, and answers {model.exact_accuracy:.1%} of unseen phrasings exactly.")
    with tempfile.TemporaryDirectory(prefix="lethe-demo-") as name:
        folder = Path(name)
        async with on_stage(model, wanted, folder, port) as stage:
            told = await tell(stage, wanted, model, folder, teller)
            await after(stage, told)
            return told


async def _trained(cache: Path, seed: int, teller: Teller) -> TrainedModel:
    """Train in a thread, which gives up at its next step when the waiting is cancelled (by Ctrl-C)."""
    given_up = threading.Event()

    def progress(share: float, words: str) -> None:
        if given_up.is_set():
            raise InterruptedError("training was given up")
        teller.progress(share, words)

    try:
        await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
        return await asyncio.to_thread(ensure_model, cache, seed, progress)
    except asyncio.CancelledError:
        given_up.set()
        raise
    except OSError as error:
        raise InvalidInput(f"the model cannot be kept in {cache}: {error}; set LETHE_CACHE") from error


@asynccontextmanager
async def on_stage(model: TrainedModel, wanted: Wanted, folder: Path, port: int = 0) -> AsyncIterator[Stage]:
    """Start a gateway with an empty database in ``folder``.

    Until there is a certificate it lets out answers in which nothing was found, so that the story can be told
    in order; it discloses what the loop does, so that it can be counted. Neither is the default.
    """
    admin_key = secrets.token_urlsafe(24)
    settings = given_settings(
        database=str(folder / "demo.db"),
        model_dir=model.path,
        model_name=MODEL,
        admin_key=admin_key,
        rounds=wanted.rounds,
        without_certificate="zero-evidence",
        disclose=True,
    )
    async with open_gateway(settings) as gateway, serving(create_app(gateway), port=port) as url:
        client = Client(url, admin_key, MODEL)
        try:
            yield Stage(gateway, client, url, admin_key)
        finally:
            await client.aclose()


async def tell(stage: Stage, wanted: Wanted, model: TrainedModel, folder: Path, teller: Teller) -> Told:
    """Tell the whole story on a fresh stage."""
    began = time.perf_counter()
    cast = choose_cast(invent_world(wanted.seed), wanted.seed)
    await _show_before(stage, cast, teller)
    await _forget(stage, cast, teller)
    certificate = await _calibrate(stage, cast, wanted, folder, teller)
    measured = await _measure(stage, cast, wanted, certificate, model, began, teller)
    return Told(measured, certificate)


async def _show_before(stage: Stage, cast: Cast, teller: Teller) -> None:
    teller.heading(f"What the model knows of {cast.topics[0].name}")
    for probe in cast.shown():
        await _show(stage, probe, teller)
    for topic in cast.topics:
        await stage.client.add(topic)


async def _forget(stage: Stage, cast: Cast, teller: Teller) -> None:
    first, *others = cast.topics
    revision = await stage.client.activate(first)
    teller.heading(f"The topic {first.id!r} is switched on (policy revision {revision}); the same questions again")
    for probe in cast.shown():
        await _show(stage, probe, teller)
    teller.heading("A neighbour, whom nobody asked to forget")
    await _show(stage, cast.neighbour(), teller)
    for topic in others:
        await stage.client.activate(topic)
    known = ", ".join(topic.name for topic in cast.topics if not topic.facts)
    teller.say(f"Forgotten as well, from here on: {', '.join(topic.name for topic in others)}.")
    teller.say(f"Known to Lethe by name and aliases alone, with no facts: {known}.")


async def _show(stage: Stage, probe: Probe, teller: Teller) -> None:
    teller.exchange(probe.messages[-1]["content"], (await stage.client.probe(probe)).text)


async def _calibrate(stage: Stage, cast: Cast, wanted: Wanted, folder: Path, teller: Teller) -> Certificate:
    teller.heading(f"Calibrating on {len(cast.calibration)} held-out prompts")
    prompts = folder / "calibration.jsonl"
    write_prompts(cast.calibration, prompts)
    certificate = await calibrate(
        stage.gateway,
        read_prompts(prompts),
        Wish(wanted.level, wanted.confidence),
        model=MODEL,
        trajectories=folder / "trajectories.jsonl",
        labels=None,
        created=datetime.now(UTC),
        progress=lambda done, total: teller.progress(done / total, f"{done} of {total} prompts"),
    )
    teller.say(in_one_sentence(certificate))
    if certificate.threshold is None:
        raise InvalidInput("the demo's prompts cannot support this promise; ask for less")
    await activate_certificate(stage.gateway.store, certificate)
    return certificate


async def _measure(
    stage: Stage,
    cast: Cast,
    wanted: Wanted,
    certificate: Certificate,
    model: TrainedModel,
    began: float,
    teller: Teller,
) -> Measurement:
    teller.heading(
        f"Measuring on {len(cast.fresh)} fresh forget probes and {len(cast.fresh_benign)} fresh benign ones"
    )
    probes = (*cast.fresh, *cast.fresh_benign)
    before = await bare_answers(stage.gateway.upstream, MODEL, probes)
    after = await guarded_answers(stage.client, probes)
    if {reply.certificate for reply in after} != {certificate.id}:
        raise RuntimeError("an answer was not given under the certificate, so nothing was measured of it")
    split = len(cast.fresh)
    return measure(
        forget_results(cast.fresh, before[:split], after[:split]),
        benign_results(cast.fresh_benign, before[split:], after[split:]),
        Promise(wanted.rounds, wanted.level, wanted.confidence, certificate.threshold),
        train_s=0.0 if model.from_cache else model.train_s,
        total_s=time.perf_counter() - began + (0.0 if model.from_cache else model.train_s),
    )
