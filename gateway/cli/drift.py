"""`lethe drift …`: labelled lines of the audit file to the running gateway that drew them; the status beside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from gateway.cli.drift_status import status
from gateway.cli.failures import reporting_failures
from gateway.errors import InvalidInput, UpstreamUnreachable
from gateway.settings import Settings, revealed
from gateway.settings_reading import read_settings

__all__ = ["app"]

app = typer.Typer(
    name="drift", help="What the monitors of drift found, and need from people.", no_args_is_help=True
)
app.command()(status)

_SENT: Final = ("certificate", "number", "probability", "leaked")
"""All that leaves the file: no conversation does."""


@app.callback()
def drift() -> None:
    """What the monitors of drift found, and need from people."""


@app.command()
@reporting_failures()
def label(
    file: Annotated[Path, typer.Argument(help="The audit file, with `leaked` filled in as true or false.")],
    url: Annotated[
        str | None, typer.Option(help="Address of the running gateway. Default: that of the settings.")
    ] = None,
) -> None:
    """Tell the running gateway which audited answers leaked. Needs LETHE_ADMIN_KEY.

    Lines go in their order up to the first without a label, since the monitor needs one for every answer that was
    drawn. The whole file may be sent again: what came before is skipped.
    """
    settings = read_settings()
    if settings.admin_key is None:
        raise InvalidInput("set LETHE_ADMIN_KEY to the key of the running gateway")
    labelled, waiting = _lines(file)
    if labelled:
        _tell(_sent(url or f"http://{settings.host}:{settings.port}", settings, labelled))
    typer.echo(f"{waiting} lines wait for a label" if waiting else "every line has a label")


def _lines(file: Path) -> tuple[list[dict[str, Any]], int]:
    """Read the lines up to each certificate's first without a label, and how many are from there on."""
    try:
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InvalidInput(f"cannot read the audit file {file}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"{file} is not JSON Lines ({error}); correct it") from error
    labelled: list[dict[str, Any]] = []
    stopped: set[object] = set()
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, dict) or not {"certificate", "leaked"} <= line.keys():
            raise InvalidInput(f"{file}, line {number}: an audit has the fields `certificate` and `leaked`")
        if line["leaked"] is None:
            stopped.add(line["certificate"])
        elif line["certificate"] not in stopped:
            labelled.append({name: line[name] for name in _SENT if line.get(name) is not None})
    return labelled, len(lines) - len(labelled)


def _sent(url: str, settings: Settings, labelled: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    key = revealed(settings.admin_key) or ""
    try:
        answer = httpx.post(f"{url}/admin/audits", json={"audits": labelled}, headers={"x-admin-key": key})
    except httpx.HTTPError as error:
        raise UpstreamUnreachable(f"no gateway answers at {url} ({type(error).__name__}); see --url") from error
    try:
        body: dict[str, Any] = answer.json()
    except ValueError:
        raise InvalidInput(
            f"what answers at {url} is no gateway (status {answer.status_code}); see --url"
        ) from None
    if answer.status_code != httpx.codes.OK:
        raise InvalidInput(str(body.get("error", {}).get("message", f"status {answer.status_code}")))
    return body


def _tell(body: Mapping[str, Any]) -> None:
    typer.echo(f"{body['new']} labels were new")
    if body["past"]:
        typer.echo(f"{body['past']} are of certificates that are not in force, and were left out")
    for monitor, found in body["drift"].items():
        typer.echo(f"{monitor}: {found}")
