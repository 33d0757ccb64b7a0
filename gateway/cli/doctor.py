"""`lethe doctor`: look at a deployment from end to end, and say what to fix."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.checkup import Finding, examined
from gateway.errors import InvalidInput
from gateway.settings_reading import read_settings

__all__ = ["doctor"]

FAILED: Final = 1

_SIGNS: Final = {"ok": "ok     ", "warning": "warning", "failed": "FAILED ", "skipped": "skipped"}


def doctor(
    config: Annotated[Path | None, typer.Option(help="Configuration file. Default: LETHE_CONFIG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Check configuration, store, verifiers, servers, certificate, streams, and that a made-up topic is withheld.

    Exits with 1 where anything failed. Changes nothing, save that a database is brought to the newest schema.
    """
    failed = asyncio.run(_told(config, as_json))
    if failed:
        raise typer.Exit(FAILED)


async def _told(config: Path | None, as_json: bool) -> bool:
    failed = False

    def tell(finding: Finding) -> None:
        nonlocal failed
        failed |= finding.state == "failed"
        typer.echo(json.dumps(asdict(finding), ensure_ascii=False) if as_json else _shown(finding))

    try:
        settings = read_settings(config)
    except InvalidInput as error:
        tell(
            Finding("configuration", "failed", str(error), "correct it; `lethe config check` reads the file alone")
        )
        return failed
    tell(Finding("configuration", "ok", f"{len(settings.model_fields_set)} settings are given"))
    async for finding in examined(settings, datetime.now(UTC)):
        tell(finding)
    return failed


def _shown(finding: Finding) -> str:
    advice = f"\n         → {finding.advice}" if finding.advice else ""
    return f"{_SIGNS[finding.state]}  {finding.name}: {finding.found}{advice}"
