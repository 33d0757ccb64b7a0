"""Probes put to a checkpoint, bare and behind the gateway. Knows no method."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

from calibration.certificate import Certificate
from evaluation.rates import Rate
from evaluation.unlearning.findings import Behind, Reply, answers_of
from forgetting.material import Material
from gateway.calibrating import Wish, calibrate
from gateway.certificates import activate_certificate
from gateway.demo.checkpoint import TrainedModel
from gateway.demo.measuring import bare_answers
from gateway.demo.probes import Probe, topic_of, write_prompts
from gateway.demo.story import MODEL, Stage, Wanted, on_stage
from gateway.guard.loop import Outcome, Released
from gateway.guard.policy import Bounded
from gateway.guard.prompts import read_prompts
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.transformers import TransformersUpstream

__all__ = ["ask_bare", "ask_behind"]

AT_ONCE = 32


async def ask_bare(checkpoint: Path, probes: Sequence[Probe]) -> tuple[list[Reply], float]:
    """Return greedy answers of the model alone, and the processor seconds that one took."""
    upstream = TransformersUpstream(checkpoint, name=MODEL, seed=0)
    try:
        began = time.process_time()
        texts = await bare_answers(upstream, MODEL, probes)
        return _replies(probes, texts), (time.process_time() - began) / len(probes)
    finally:
        await upstream.aclose()


async def ask_behind(checkpoint: Path, material: Material, folder: Path, wanted: Wanted, bare_s: float) -> Behind:
    """Calibrate a gateway before this very checkpoint on the person's calibration probes, then measure it.

    A certificate is bound to the model, so that each checkpoint needs its own. ``bare_s`` goes into the record.
    """
    model = TrainedModel(checkpoint, train_s=0.0, exact_accuracy=0.0, from_cache=True)
    async with on_stage(model, wanted, folder) as stage:
        topic = topic_of(material.person, material.world, with_facts=True)
        await stage.client.add(topic)
        await stage.client.activate(topic)
        certificate = await _certified(stage, material, folder, wanted)
        return await _measured(stage, material, certificate, wanted, bare_s)


async def _certified(stage: Stage, material: Material, folder: Path, wanted: Wanted) -> Certificate:
    prompts = folder / "calibration.jsonl"
    write_prompts(material.calibration, prompts)
    certificate = await calibrate(
        stage.gateway,
        read_prompts(prompts),
        Wish(wanted.level, wanted.confidence),
        model=MODEL,
        trajectories=folder / "trajectories.jsonl",
        labels=None,
        created=datetime.now(UTC),
        progress=lambda done, total: None,
    )
    await activate_certificate(stage.gateway.store, certificate)
    return certificate


async def _measured(
    stage: Stage, material: Material, certificate: Certificate, wanted: Wanted, bare_s: float
) -> Behind:
    probes = (*material.measured, *material.kept)
    began = time.process_time()
    outcomes = await _outcomes(stage, probes)
    guarded_s = (time.process_time() - began) / len(probes)
    if {one.rule.certificate_id for one in outcomes if isinstance(one.rule, Bounded)} != {certificate.id}:
        raise RuntimeError("an answer was not given under the certificate, so nothing was measured of it")
    forget, benign = outcomes[: len(material.measured)], outcomes[len(material.measured) :]
    return Behind(
        answers=answers_of(_replies(probes, [str(one.choices[0].message["content"]) for one in outcomes])),
        answered=Rate.of(isinstance(one, Released) for one in forget),
        alpha=wanted.level,
        confidence=wanted.confidence,
        threshold=certificate.threshold,
        generations_forget=fmean(one.generations for one in forget),
        generations_benign=fmean(one.generations for one in benign),
        seconds_bare=bare_s,
        seconds_guarded=guarded_s,
    )


async def _outcomes(stage: Stage, probes: Sequence[Probe]) -> list[Outcome]:
    """Put the probes to the loop itself: HTTP would cost more than these small models do."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(probe: Probe) -> Outcome:
        async with gate:
            return await stage.gateway.ask(ChatRequest(MODEL, probe.messages))

    return list(await asyncio.gather(*(one(probe) for probe in probes)))


def _replies(probes: Sequence[Probe], texts: Sequence[str]) -> list[Reply]:
    """Benign probes are told apart by the first word of their id: near, others, towns."""
    return [
        Reply(probe.id.partition("-")[0] if probe.benign else probe.family, text, probe.expected, probe.forbidden)
        for probe, text in zip(probes, texts, strict=True)
    ]
