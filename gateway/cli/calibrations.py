"""`lethe calibrations …`: each command parses, calls one function, prints."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.cli.tables import print_table
from gateway.store.calibration_jobs import CalibrationJobs
from gateway.store.calibration_records import CalibrationJob

__all__ = ["app"]

app = typer.Typer(
    name="calibrations",
    help="Calibrations that were asked for over the admin API: see docs/calibration-jobs.md.",
    no_args_is_help=True,
)


@app.command("list")
@reporting_failures()
def list_calibrations(database: Database = None) -> None:
    """List the latest calibrations, the newest first."""
    jobs = with_store(database, lambda store: CalibrationJobs(store.database).jobs())
    table = Table("id", "asked for", "by", "model", "state", "recorded", "certificate", "note", box=SIMPLE)
    for job in jobs:
        when, recorded = f"{job.created_at:%Y-%m-%d %H:%M}", f"{job.done} of {job.total}"
        certificate = job.certificate_id or ""
        table.add_row(job.id, when, job.asked_by, job.model, _state(job), recorded, certificate, job.note)
    print_table(table if jobs else "no calibrations")


@app.command()
@reporting_failures()
def cancel(
    calibration: Annotated[str, typer.Argument(help="Its id.")],
    database: Database = None,
) -> None:
    """End a calibration and delete what it recorded."""
    job = with_store(database, lambda store: CalibrationJobs(store.database).cancel(calibration))
    typer.echo(f"{job.id}: {_state(job)}")


def _state(job: CalibrationJob) -> str:
    return "cancelling" if job.cancelling and not job.ended else job.state
