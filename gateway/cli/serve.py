"""`lethe serve`: start the gateway and say where it listens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import create_app, open_gateway
from gateway.certificates import activate_certificate, read_certificate
from gateway.cli.failures import reporting_failures
from gateway.logs import log_events
from gateway.serving import serve_until_signalled
from gateway.settings import Settings, read_settings

__all__ = ["serve"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    database: Annotated[str | None, typer.Option(help="Where topics and certificates are kept.")] = None,
    upstream: Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible server.")] = None,
    model: Annotated[Path | None, typer.Option(help="Checkpoint to run in this process instead.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Certificate to activate first.")] = None,
) -> None:
    """Start the gateway. Everything else is set by LETHE_… variables; see docs/settings.md."""
    with reporting_failures():
        settings = read_settings(host=host, port=port, database=database, upstream_url=upstream, model_dir=model)
        asyncio.run(_serve(settings, certificate))


async def _serve(settings: Settings, certificate: Path | None) -> None:
    async with open_gateway(settings, report=log_events()) as gateway:
        if certificate is not None:
            await activate_certificate(gateway.store, read_certificate(certificate))
        for part, problem in (await gateway.readiness()).items():
            if problem:
                typer.echo(f"not ready: {part}: {problem}", err=True)

        for name, problem in (await gateway.policies.settled()).items():
            if problem:
                typer.echo(f"not available: the backend {name}: {problem}", err=True)

        def listening(url: str) -> None:
            typer.echo(f"Lethe listens on {url}/v1, with the topics of {gateway.store.path.resolve()}", err=True)

        await serve_until_signalled(create_app(gateway), settings.host, settings.port, listening)
