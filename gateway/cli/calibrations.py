"""`lethe calibrations …`: each command parses, calls one function, prints."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.box import SIMPLE
from rich.table import Table

from gateway.calibrating import Wish
from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, cli_user, with_store
from gateway.cli.tables import print_table
from gateway.cli.wishes import MethodName, plain_wish
from gateway.errors import InvalidInput
from gateway.guard.prompts import read_prompts
from gateway.jobs.asking import ask_for
from gateway.parts import open_gateway
from gateway.settings import Settings
from gateway.settings_reading import read_settings
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import CalibrationJob

__all__ = ["app"]

app = typer.Typer(
    name="calibrations",
    help="Calibrations that a gateway does beside serving: see docs/calibration-jobs.md.",
    no_args_is_help=True,
)

_Id = Annotated[str, typer.Argument(metavar="CALIBRATION", help="Its id.")]
_WHEN: Final = "%Y-%m-%d %H:%M"


@app.command()
@reporting_failures()
def start(
    prompts: Annotated[Path, typer.Option(help="Held-out prompts, one JSON object a line.")],
    alpha: Annotated[float, typer.Option(help="Highest leak probability to promise.")] = 0.05,
    confidence: Annotated[
        float, typer.Option(help="Confidence over the draw of the prompts; 0 promises the average.")
    ] = 0.95,
    method: Annotated[MethodName, typer.Option(help="How the threshold is chosen.")] = MethodName.RECORD_LOW,
    every_group: Annotated[str | None, typer.Option(help="Promise it for every group of this key.")] = None,
    subsets: Annotated[
        bool, typer.Option(help="Let it hold too when some of the topics are switched off.")
    ] = True,
    tries: Annotated[
        int | None, typer.Option(min=1, help="Promise it for a session of so many prompts of one unit.")
    ] = None,
    most_lost: Annotated[
        float | None, typer.Option(help="Give up early where that loses at most this share of answers.")
    ] = None,
    streamed: Annotated[
        bool, typer.Option("--streamed", help="Promise it of answers that go out sentence by sentence.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Name of the model. Default: the only one.")] = None,
    concurrency: Annotated[
        int, typer.Option(min=1, max=64, help="Prompts in the loop at once, beside those who ask.")
    ] = 4,
    upstream: Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible server.")] = None,
    database: Database = None,
) -> None:
    """Have a gateway that serves from this database calibrate on these prompts."""
    if method is MethodName.JOINT:
        raise InvalidInput("a job chooses no rounds and strategies; use `lethe calibrate --method joint`")
    plain = plain_wish(alpha, confidence, method, every_group, tries, most_lost, None, None, 0, subsets=subsets)
    settings = read_settings(database=database, upstream_url=upstream)
    wish = replace(plain, streamed=streamed)
    read_prompts(prompts)  # whose complaints name the file
    text = prompts.read_bytes().decode("utf-8")
    job = asyncio.run(_asked(settings, text, wish, model, concurrency))
    typer.echo(f"{job.id}: {_state(job)}; see how far it is: lethe calibrations show {job.id}")


@app.command("list")
@reporting_failures()
def list_calibrations(database: Database = None) -> None:
    """List the latest calibrations, the newest first."""
    jobs = with_store(database, lambda store: CalibrationJobs(store.database).jobs())
    table = Table("id", "asked for", "by", "model", "state", "recorded", "certificate", "note", box=SIMPLE)
    for job in jobs:
        certificate = job.certificate_id or ""
        asked = (f"{job.created_at:{_WHEN}}", job.asked_by, job.model)
        table.add_row(job.id, *asked, _state(job), _recorded(job), certificate, job.note)
    print_table(table if jobs else "no calibrations")


@app.command()
@reporting_failures()
def show(calibration: _Id, database: Database = None) -> None:
    """Show one calibration: what it should promise, how far it is, and its certificate."""
    job = with_store(database, lambda store: CalibrationJobs(store.database).job(calibration))
    for name, value in (
        ("state", _state(job)),
        ("recorded", _recorded(job)),
        ("note", job.note),
        ("certificate", job.certificate_id or ""),
        ("model", job.model),
        *job.wish.items(),
        ("asked for", f"{job.created_at:{_WHEN}} by {job.asked_by}"),
        ("changed", f"{job.updated_at:{_WHEN}}"),
    ):
        typer.echo(f"{name.replace('_', ' ')}: {value}".rstrip())


@app.command()
@reporting_failures()
def cancel(calibration: _Id, database: Database = None) -> None:
    """End a calibration and delete what it recorded."""
    job = with_store(database, lambda store: CalibrationJobs(store.database).cancel(calibration, who=cli_user()))
    typer.echo(f"{job.id}: {_state(job)}")


async def _asked(
    settings: Settings, prompts: str, wish: Wish, model: str | None, concurrency: int
) -> CalibrationJob:
    async with open_gateway(settings, create=False) as gateway:
        jobs = CalibrationJobs(gateway.store.database)
        return await ask_for(
            gateway, jobs, prompts, wish, model=model, concurrency=concurrency, asked_by=cli_user()
        )


def _state(job: CalibrationJob) -> str:
    return "cancelling" if job.cancelling and not job.ended else job.state


def _recorded(job: CalibrationJob) -> str:
    return f"{job.done} of {job.total} prompts"
