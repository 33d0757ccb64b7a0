"""`lethe config …`: each command parses, calls one function, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.failures import reporting_failures
from gateway.settings_page import configuration_schema
from gateway.settings_reading import check_configuration

__all__ = ["app"]

app = typer.Typer(name="config", help="The configuration file.", no_args_is_help=True)


@app.command()
@reporting_failures()
def check(file: Annotated[Path, typer.Argument(help="The file, as for `lethe serve --config`.")]) -> None:
    """Check a configuration file: every name and value, and that what it takes from the environment is there."""
    settings = check_configuration(file)
    said = len(settings.model_fields_set)
    typer.echo(f"{file} is sound: it says {said} settings, the others keep their defaults")


@app.command()
def schema() -> None:
    """Print the file's JSON schema, for editors."""
    typer.echo(configuration_schema(), nl=False)
