"""`lethe certificate report`: a certificate as a page for people and as numbers for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calibration.report.evidence import report_on
from calibration.report.page import page
from calibration.trajectories import Recording
from calibration.trajectory_file import apply_labels, read_trajectories
from gateway.cli.failures import refusing_bad_input, reporting_failures
from gateway.cli.owned import write_owned
from gateway.cli.stores import CertificateDatabase, certificate_named
from gateway.errors import InvalidInput

__all__ = ["report_command"]


def report_command(
    file: Annotated[
        Path, typer.Argument(help="A certificate of `lethe calibrate`, or the id of one in the database.")
    ],
    trajectories: Annotated[
        Path | None, typer.Option(help="The recorded answers that it was issued from, for all that they show.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="The labels that were given to `lethe calibrate`, if any.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("report.html"),
    json_: Annotated[Path | None, typer.Option("--json", help="Where the numbers go.")] = None,
    with_texts: Annotated[
        bool, typer.Option("--with-texts", help="Show the answers nearest to the threshold. They are sensitive.")
    ] = False,
    database: CertificateDatabase = None,
) -> None:
    """Write one HTML page, and the same as JSON, on what a certificate promises and on what evidence."""
    with reporting_failures():
        if trajectories is None and (labels is not None or with_texts):
            raise InvalidInput("--labels and --with-texts are about recorded answers: give --trajectories too")
        certificate = certificate_named(file, database)
        with refusing_bad_input():
            recording = None if trajectories is None else _recording(trajectories, labels)
            report = report_on(certificate, recording, with_texts=with_texts)
        write_owned(out, page(report))
        if json_ is not None:
            write_owned(json_, report.to_json())
    typer.echo(f"{report.sentence}\nWritten to {out}{'' if json_ is None else f' and {json_}'}.")
    for problem in report.problems:
        typer.echo(f"not sound: {problem}", err=True)


def _recording(trajectories: Path, labels: Path | None) -> Recording:
    recording = read_trajectories(trajectories)
    return recording if labels is None else apply_labels(recording, labels)
