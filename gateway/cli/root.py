"""The root of the command line: which commands there are."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

import gateway
from gateway.cli import (
    admins,
    audit,
    backends,
    calibrations,
    certificate,
    config,
    drift,
    keys,
    labels,
    topics,
    train,
    unlearn,
    verifiers,
)
from gateway.cli.calibrate import calibrate_command
from gateway.cli.demo import demo
from gateway.cli.doctor import doctor
from gateway.cli.migrate import migrate_command
from gateway.cli.probes import probes_command
from gateway.cli.serve import serve
from gateway.settings_page import environment_example, settings_page

__all__ = ["app"]

app = typer.Typer(
    name="lethe",
    help="Make any chat model forget: an unlearning gateway with a calibrated bound on leaks.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold keys and conversations
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lethe {gateway.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make any chat model forget: an unlearning gateway with a calibrated bound on leaks."""


app.command()(demo)
app.command()(serve)
app.command("migrate")(migrate_command)
app.command()(doctor)
app.command("probes")(probes_command)
app.command("calibrate")(calibrate_command)
app.add_typer(calibrations.app, name="calibrations")
app.add_typer(config.app, name="config")
app.add_typer(topics.app, name="topics")
app.add_typer(certificate.app, name="certificate")
app.add_typer(backends.app, name="backends")
app.add_typer(keys.app, name="keys")
app.add_typer(admins.app, name="admins")
app.add_typer(audit.app, name="audit")
app.add_typer(drift.app, name="drift")
app.add_typer(verifiers.app, name="verifiers")
app.add_typer(labels.app, name="labels")
app.add_typer(train.app, name="train")
app.add_typer(unlearn.app, name="unlearn")


class SettingsFormat(StrEnum):
    """How the settings are written."""

    MARKDOWN = "markdown"
    ENV = "env"


@app.command("settings")
def settings_command(
    format_: Annotated[SettingsFormat, typer.Option("--format", help="As a page, or as a .env file.")] = (
        SettingsFormat.MARKDOWN
    ),
) -> None:
    """Print every setting with its default and meaning."""
    typer.echo(settings_page() if format_ is SettingsFormat.MARKDOWN else environment_example(), nl=False)
