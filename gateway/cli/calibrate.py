"""`lethe calibrate`: held-out prompts in, a certificate out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from calibration.certificate import Certificate
from calibration.explanation import explain
from gateway.app import Gateway, open_gateway
from gateway.calibrating import Wish, calibrate
from gateway.certificates import write_certificate
from gateway.cli.failures import reporting_failures
from gateway.cli.progress import progress_bar
from gateway.errors import InvalidInput
from gateway.guard.prompts import PromptSet, read_prompts
from gateway.settings import read_settings

__all__ = ["calibrate_command"]

EXIT_INFEASIBLE = 4
"""The exit code where the prompts cannot support the wished promise."""


class Method(StrEnum):
    """How the threshold is chosen."""

    RECORD_LOW = "record-low"
    LTT = "ltt"


def calibrate_command(
    prompts: Annotated[Path, typer.Option(help="Held-out prompts, one JSON object a line.")],
    out: Annotated[Path, typer.Option(help="Where the certificate goes.")] = Path("certificate.json"),
    alpha: Annotated[float, typer.Option(help="Highest leak probability to promise.")] = 0.05,
    confidence: Annotated[
        float, typer.Option(help="Confidence over the draw of the prompts; 0 promises the average.")
    ] = 0.95,
    rounds: Annotated[int | None, typer.Option(help="Most rounds of generation (T).")] = None,
    method: Annotated[Method, typer.Option(help="How the threshold is chosen.")] = Method.RECORD_LOW,
    every_group: Annotated[
        str | None, typer.Option(help="Promise it for every group of this key, such as family.")
    ] = None,
    subsets: Annotated[
        bool, typer.Option(help="Let it hold too when some of the topics are switched off.")
    ] = True,
    labels: Annotated[Path | None, typer.Option(help="Labels of people or a judge, JSON Lines.")] = None,
    trajectories: Annotated[
        Path | None, typer.Option(help="Where answers are recorded. Default: beside the certificate.")
    ] = None,
    upstream: Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible server.")] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model. Default: the only one.")] = None,
    database: Annotated[str | None, typer.Option(help="Where topics and certificates are kept.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Prompts in the loop at once.")] = 32,
) -> None:
    """Take held-out prompts through the loop and certify how often it leaks.

    Can be killed and started again: finished prompts are neither lost nor repeated. LETHE_… variables say
    which model stands behind the gateway, as for `lethe serve`.
    """
    with reporting_failures():
        if not 0 < alpha < 1 or not 0 <= confidence < 1:
            raise InvalidInput("--alpha must lie between 0 and 1, --confidence from 0 to below 1")
        engine: Literal["record_low", "ltt"] = "ltt" if method is Method.LTT else "record_low"
        wish = Wish(alpha, confidence or None, engine, every_group, subsets)
        settings = read_settings(rounds=rounds, database=database, upstream_url=upstream)
        prompt_set = read_prompts(prompts)
        _check_options(prompt_set, out, labels, every_group)
        recorded = trajectories or out.with_suffix(".trajectories.jsonl")

        async def work() -> Certificate:
            async with open_gateway(settings, create=False) as gateway:
                name = model or await _only_model(gateway)
                return await _calibrated(gateway, prompt_set, wish, name, recorded, labels, concurrency)

        certificate = asyncio.run(work())
        write_certificate(certificate, out)
        typer.echo(explain(certificate))
        for topic in certificate.bindings.topics.keys() - {prompt.topic for prompt in prompt_set.prompts}:
            typer.echo(f"Note: no prompt names the topic {topic!r}, so the figures say little about it.")
        typer.echo(f"\nWritten to {out}.")
        if certificate.threshold is None:
            raise typer.Exit(EXIT_INFEASIBLE)
        typer.echo(f"To serve under it: lethe certificate activate {out}")


async def _calibrated(
    gateway: Gateway,
    prompts: PromptSet,
    wish: Wish,
    model: str,
    recorded: Path,
    labels: Path | None,
    concurrency: int,
) -> Certificate:
    with progress_bar("calibrating") as tell:
        return await calibrate(
            gateway,
            prompts,
            wish,
            model=model,
            trajectories=recorded,
            labels=labels,
            created=datetime.now(UTC),
            progress=lambda done, total: tell(done / total, f"{done} of {total} prompts"),
            concurrency=concurrency,
        )


async def _only_model(gateway: Gateway) -> str:
    models = await gateway.upstream.models()
    if len(models) != 1:
        raise InvalidInput(f"name one of the models with --model: {', '.join(models) or 'none is served'}")
    return models[0]


def _check_options(prompts: PromptSet, out: Path, labels: Path | None, every_group: str | None) -> None:
    """Refuse before any work what would fail after it."""
    if out.is_dir() or not out.parent.is_dir():
        raise InvalidInput(f"cannot write {out}: --out names a file in a directory that exists")
    if labels is not None and not labels.is_file():
        raise InvalidInput(f"cannot read the labels file {labels}")
    keys = {key for prompt in prompts.prompts for key in prompt.groups}
    if every_group is not None and every_group not in keys:
        raise InvalidInput(f"--every-group {every_group}: the prompts have the groups {sorted(keys) or 'none'}")
