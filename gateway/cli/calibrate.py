"""`lethe calibrate`: held-out prompts in, a certificate out; or with --plan, how many prompts it would take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from calibration.certificate import Certificate
from calibration.explanation import explain
from gateway.calibrating import Wish, calibrate, check_prompts
from gateway.calibrating_jointly import JointWish, calibrate_jointly
from gateway.certificates import write_certificate
from gateway.cli.engines import (
    EngineName,
    EngineOption,
    RayAddress,
    RayWorkers,
    given_options,
    open_engine,
    refuse_stray_engine,
)
from gateway.cli.failures import reporting_failures
from gateway.cli.progress import progress_bar
from gateway.cli.wishes import MethodName, joint_wish, plain_wish, plan_in_words, refuse_stray
from gateway.engines.protocol import Engine
from gateway.errors import InvalidInput
from gateway.guard.policy import settings_of
from gateway.guard.prompts import PromptSet, read_prompts
from gateway.labelling import check_labels
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.settings import Settings
from gateway.settings_reading import read_settings

__all__ = ["calibrate_command"]

EXIT_INFEASIBLE = 4
"""The exit code where the prompts cannot support the wished promise."""

_EXTRA = "A promise of another kind"
_JOINT = "With --method joint (its prompts need `forbidden` strings; no labels, groups, tries or audit)"
_PLAN = "Planning"


def calibrate_command(
    context: typer.Context,
    prompts: Annotated[Path, typer.Option(help="Held-out prompts, one JSON object a line.")],
    out: Annotated[Path, typer.Option(help="Where the certificate goes.")] = Path("certificate.json"),
    alpha: Annotated[float, typer.Option(help="Highest leak probability to promise.")] = 0.05,
    confidence: Annotated[
        float, typer.Option(help="Confidence over the draw of the prompts; 0 promises the average.")
    ] = 0.95,
    rounds: Annotated[int | None, typer.Option(help="Most rounds of generation (T).")] = None,
    method: Annotated[MethodName, typer.Option(help="How the threshold is chosen.")] = MethodName.RECORD_LOW,
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
    concurrency: Annotated[
        int, typer.Option(min=1, help="Prompts in the loop at once, with --engine ray at each worker.")
    ] = 32,
    every_group: Annotated[
        str | None,
        typer.Option(
            help="Promise it for every group of this key, or of several: topic,family.", rich_help_panel=_EXTRA
        ),
    ] = None,
    tries: Annotated[
        int | None,
        typer.Option(
            min=1, help="Promise it for a session of so many prompts of one unit.", rich_help_panel=_EXTRA
        ),
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(
            help="People's labels for some prompts, to measure the other labels by.", rich_help_panel=_EXTRA
        ),
    ] = None,
    few: Annotated[
        Path | None,
        typer.Option(
            help="People's labels for the units that `lethe labels sample` drew: the promise is then about their "
            "labels, and the others may err.",
            rich_help_panel=_EXTRA,
        ),
    ] = None,
    few_seed: Annotated[int, typer.Option(help="The --seed that drew these units.", rich_help_panel=_EXTRA)] = 0,
    streamed: Annotated[
        bool,
        typer.Option(
            "--streamed",
            help="Promise it for LETHE_STREAMING=segment: of answers that go out sentence by sentence.",
            rich_help_panel=_EXTRA,
        ),
    ] = False,
    most_lost: Annotated[
        float | None,
        typer.Option(help="Give up early where that loses at most this share of answers.", rich_help_panel=_EXTRA),
    ] = None,
    rounds_among: Annotated[
        str, typer.Option(help="Numbers of rounds to choose among.", rich_help_panel=_JOINT)
    ] = "1,2,3",
    strategies_among: Annotated[
        str | None,
        typer.Option(
            help="Lists of strategies to choose among: revise,unaware;constrain. Default: the configured one.",
            rich_help_panel=_JOINT,
        ),
    ] = None,
    most_changed: Annotated[
        float,
        typer.Option(help="Highest probability that a benign first answer is held back.", rich_help_panel=_JOINT),
    ] = 0.05,
    most_refused: Annotated[
        float,
        typer.Option(
            help="Highest probability that a forget prompt gets the fallback; 1 sets no limit, and then the "
            "cheapest choice may refuse them all.",
            rich_help_panel=_JOINT,
        ),
    ] = 0.5,
    engine: EngineOption = EngineName.LOCAL,
    ray_address: RayAddress = "local",
    ray_workers: RayWorkers = 2,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Only say how many prompts it takes; asks no model.", rich_help_panel=_PLAN),
    ] = False,
    leaks: Annotated[
        int, typer.Option(min=0, help="Units that may leak below the threshold.", rich_help_panel=_PLAN)
    ] = 0,
    leak_rate: Annotated[
        float, typer.Option(help="Assumed share of units that leak below it.", rich_help_panel=_PLAN)
    ] = 0.0,
    oracle_miss: Annotated[
        float, typer.Option(help="Share of the leaks that the labels miss.", rich_help_panel=_PLAN)
    ] = 0.0,
) -> None:
    """Take held-out prompts through the loop and certify how often it leaks.

    Can be killed and started again: finished prompts are neither lost nor repeated. LETHE_… variables say
    which model stands behind the gateway, as for `lethe serve`.
    """
    with reporting_failures():
        given = given_options(context)
        refuse_stray(given, method, planning=plan, few=few is not None)
        refuse_stray_engine(given, engine)
        prompt_set = read_prompts(prompts)
        if plan:
            check_prompts(prompt_set, every_group, tries)
            typer.echo(plan_in_words(prompt_set, alpha, confidence, every_group, leaks, leak_rate, oracle_miss))
            return
        settings = read_settings(rounds=rounds, database=database, upstream_url=upstream)
        wish: Wish | JointWish
        if method is MethodName.JOINT:
            if every_group or tries or audit or few or most_lost is not None or labels or streamed:
                raise InvalidInput(
                    "--method joint goes with none of --every-group, --tries, --audit, --few, --most-lost, "
                    "--labels and --streamed: it records every list of strategies anew, so its prompts need "
                    "`forbidden` strings; for a promise of another kind, set what it chose and calibrate that "
                    "on other prompts"
                )
            lists = strategies_among or ",".join(settings.strategies)
            wish = joint_wish(alpha, confidence, rounds_among, lists, most_changed, most_refused, subsets=subsets)
        else:
            wish = replace(
                plain_wish(
                    alpha, confidence, method, every_group, tries, most_lost, audit, few, few_seed, subsets=subsets
                ),
                streamed=streamed,
            )
        check_prompts(prompt_set, every_group, tries)
        _check_files(out, prompt_set, labels, audit, few)
        recorded = trajectories or out.with_suffix(".trajectories.jsonl")
        with open_engine(engine, ray_address, ray_workers, concurrency) as opened:
            work = _Work(prompt_set, wish, recorded, labels, audit, few, concurrency, opened)
            certificate = asyncio.run(work.done(settings, model))
        write_certificate(certificate, out)
        _tell(certificate, prompt_set, wish, out)
        if certificate.threshold is None:
            raise typer.Exit(EXIT_INFEASIBLE)


@dataclass(frozen=True, slots=True)
class _Work:
    """What to calibrate, and from and into which files."""

    prompts: PromptSet
    wish: Wish | JointWish
    recorded: Path
    labels: Path | None
    audit: Path | None
    few: Path | None
    concurrency: int
    engine: Engine

    async def done(self, settings: Settings, model: str | None) -> Certificate:
        """Calibrate a gateway of these settings."""
        async with open_gateway(settings, create=False) as gateway:
            return await self._done(gateway, model or await _only_model(gateway))

    async def _done(self, gateway: Gateway, model: str) -> Certificate:
        """Calibrate one way or the other, with a bar that grows."""
        created = datetime.now(UTC)
        with progress_bar("calibrating") as tell:

            def progress(done: int, total: int) -> None:
                tell(done / total, f"{done} of {total} prompts")

            if isinstance(self.wish, JointWish):
                return await calibrate_jointly(
                    gateway, self.prompts, self.wish,
                    model=model, trajectories=self.recorded, created=created,
                    progress=progress, concurrency=self.concurrency, engine=self.engine,
                )  # fmt: skip
            return await calibrate(
                gateway, self.prompts, self.wish,
                model=model, trajectories=self.recorded, labels=self.labels, audit=self.audit, few=self.few,
                created=created, progress=progress, concurrency=self.concurrency, engine=self.engine,
            )  # fmt: skip


async def _only_model(gateway: Gateway) -> str:
    models = await gateway.upstream.models()
    if len(models) != 1:
        raise InvalidInput(f"name one of the models with --model: {', '.join(models) or 'none is served'}")
    return models[0]


def _check_files(out: Path, prompts: PromptSet, *labels: Path | None) -> None:
    """Refuse before any work what would fail after it."""
    if out.is_dir() or not out.parent.is_dir():
        raise InvalidInput(f"cannot write {out}: --out names a file in a directory that exists")
    for file in labels:
        check_labels(prompts, file)


def _tell(certificate: Certificate, prompts: PromptSet, wish: Wish | JointWish, out: Path) -> None:
    typer.echo(explain(certificate))
    for topic in certificate.bindings.topics.keys() - {prompt.topic for prompt in prompts.prompts}:
        typer.echo(f"Note: no prompt names the topic {topic!r}, so the figures say little about it.")
    if isinstance(wish, Wish) and wish.most_lost is not None and certificate.surrender is None:
        typer.echo("Note: giving up early would save nothing, or lose too much, so it does not give up.")
    typer.echo(f"\nWritten to {out}.")
    if certificate.threshold is None:
        if isinstance(wish, Wish) and certificate.covers_subsets:
            typer.echo(
                "Where all topics stay on, --no-subsets asks for less: it need not hold for a part of them."
            )
        return
    if certificate.joint is not None:
        typer.echo("Serve with " + " ".join(settings_of(certificate.joint)))
    typer.echo(f"To serve under it: lethe certificate activate {out}")
