"""`lethe serve`: start the gateway and say where it listens."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import gateway as lethe
from gateway.certificates import activate_certificate, read_certificate
from gateway.cli.failures import reporting_failures
from gateway.errors import InvalidInput
from gateway.jobs.taking import taking_jobs
from gateway.logs import log_events
from gateway.parts import open_gateway
from gateway.presence import own_name, saying_so
from gateway.reloading import Reloading, reloading_on_change
from gateway.serving import run_fast, serve_until_signalled
from gateway.settings import Settings
from gateway.settings_reading import configuration_path, read_settings
from gateway.upstream.vllm_process import BANS_EVERY_SPELLING, VllmServer, running_vllm

__all__ = ["serve"]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    database: Annotated[str | None, typer.Option(help="Where topics and certificates are kept.")] = None,
    upstream: Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible server.")] = None,
    model: Annotated[Path | None, typer.Option(help="Checkpoint to run in this process instead.")] = None,
    vllm: Annotated[str | None, typer.Option(help="Model to serve by a vLLM of our own.")] = None,
    vllm_python: Annotated[Path | None, typer.Option(help="The Python that has vLLM.")] = None,
    vllm_argument: Annotated[list[str] | None, typer.Option(help="Passed on to vLLM; may be repeated.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Certificate to activate first.")] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file. Default: LETHE_CONFIG.")] = None,
) -> None:
    """Start the gateway. Everything else is set by a file and LETHE_… variables; see docs/configuration.md."""
    with reporting_failures():
        given: dict[str, Any] = {"host": host, "port": port, "database": database}
        given |= {"upstream_url": upstream, "model_dir": model}
        if vllm is None:
            run_fast(_serve(lambda: read_settings(config, **given), configuration_path(config), certificate))
        else:
            _check_alone(vllm_python, upstream, model)
            server = VllmServer(
                vllm_python or Path(sys.executable), vllm, Path(vllm).name, arguments=tuple(vllm_argument or ())
            )
            run_fast(_serve_vllm(server, config, given, certificate))


def _check_alone(vllm_python: Path | None, upstream: str | None, model: Path | None) -> None:
    if upstream is not None or model is not None:
        raise InvalidInput("--vllm starts the model itself: leave out --upstream and --model")
    if vllm_python is not None and not vllm_python.is_file():
        raise InvalidInput(f"there is no Python at {vllm_python}: name the one of vLLM's own environment")


async def _serve_vllm(
    server: VllmServer, config: Path | None, given: Mapping[str, Any], certificate: Path | None
) -> None:
    def tell(words: str) -> None:
        typer.echo(words, err=True)

    tell(f"starting vLLM with {server.model}, which takes a while")
    async with running_vllm(server, tell) as running:
        bans = "every_spelling" if any(BANS_EVERY_SPELLING in one for one in server.arguments) else True
        ours = {"upstream_url": running.url, "upstream_bad_words": bans, "upstream_key": running.api_key}
        given = {**given, **ours}
        await _serve(lambda: read_settings(config, **given), configuration_path(config), certificate)


async def _serve(read: Callable[[], Settings], file: Path | None, certificate: Path | None) -> None:
    settings = read()
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
            typer.echo(f"Lethe listens on {url}/v1, with the topics of {gateway.store.shown}", err=True)

        app = Reloading(gateway, read)

        async def follow() -> int:
            return await app.parts.policies.follow()

        said = saying_so(gateway.store, follow, name=own_name(), version=lethe.__version__)
        calibrating = taking_jobs(lambda: app.parts, name=own_name())
        async with reloading_on_change(app, file), said, calibrating:
            await serve_until_signalled(
                app, settings.host, settings.port, listening, client_timeout_s=settings.client_timeout_s
            )
