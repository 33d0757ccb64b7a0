"""`lethe certificate`: show, verify and activate certificates."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from calibration.explanation import explain, in_one_sentence
from calibration.issue import verify
from gateway.certificates import activate_certificate, read_certificate
from gateway.cli.failures import reporting_failures
from gateway.errors import InvalidInput
from gateway.settings import read_settings
from gateway.store.store import Store

__all__ = ["app"]

app = typer.Typer(help="Show, verify and activate certificates.", no_args_is_help=True)

EXIT_UNSOUND = 4
"""The exit code where a certificate does not follow from its own evidence."""

_File = Annotated[Path, typer.Argument(help="A certificate file.")]


@app.command()
def show(file: _File) -> None:
    """Say in words what a certificate promises, about what, and when it ends."""
    with reporting_failures():
        typer.echo(explain(read_certificate(file)))


@app.command("verify")
def verify_command(file: _File) -> None:
    """Compute a certificate again from its own evidence."""
    with reporting_failures():
        certificate = read_certificate(file)
        problems = verify(certificate)
        for problem in problems:
            typer.echo(f"not sound: {problem.part}: {problem.explanation}", err=True)
        if problems:
            raise typer.Exit(EXIT_UNSOUND)
        typer.echo(f"certificate {certificate.id} is whole, and its threshold follows from its evidence")


@app.command()
def activate(
    file: _File,
    database: Annotated[str | None, typer.Option(help="Where topics and certificates are kept.")] = None,
) -> None:
    """Put a certificate in force. A running gateway serves under it from the next request on."""
    with reporting_failures():
        certificate = read_certificate(file)
        if problems := verify(certificate):
            raise InvalidInput(f"certificate {certificate.id} is not sound ({problems[0].part}); calibrate again")
        if certificate.threshold is None:
            raise InvalidInput(f"certificate {certificate.id} lets nothing out; {in_one_sentence(certificate)}")

        async def work(store: Store) -> int:
            return await activate_certificate(store, certificate)

        revision = asyncio.run(_with_store(database, work))
        typer.echo(f"certificate {certificate.id} is in force (policy revision {revision})")


@app.command()
def deactivate(
    database: Annotated[str | None, typer.Option(help="Where topics and certificates are kept.")] = None,
) -> None:
    """Take the active certificate out of force: nothing that is guarded goes out until there is another."""
    with reporting_failures():
        revision = asyncio.run(_with_store(database, Store.deactivate_certificate))
        typer.echo(f"no certificate is in force (policy revision {revision})")


async def _with_store(database: str | None, work: Callable[[Store], Awaitable[int]]) -> int:
    store = await Store.open(read_settings(database=database).database, create=False)
    try:
        return await work(store)
    finally:
        await store.aclose()
