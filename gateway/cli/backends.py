"""`lethe backends …`: each command parses, calls one function, prints."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Column, Table

from gateway.cli.compare import compare_command
from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.cli.tables import print_table
from gateway.errors import InvalidInput
from gateway.registering import UNLEARNING_FILE, backend_record, read_unlearning, unlearning_in_brief
from gateway.store.backend_wire import checked
from gateway.store.records import BackendRecord, Checkpoint, PolicyRecord
from gateway.store.store import Store
from unlearners.certificate import UnlearningCertificate
from unlearners.verification import verify_in

__all__ = ["app"]

app = typer.Typer(
    name="backends", help="Alternative models, and which requests they answer.", no_args_is_help=True
)
app.command("compare")(compare_command)

NONE = "none"
"""What stands in the place of a certificate."""

_Name = Annotated[str, typer.Argument(help="What clients may ask for as `model`.")]
_Topics = Annotated[
    list[str] | None, typer.Option("--topic", help="Id of a topic that it answers; may be repeated.")
]


@app.command()
@reporting_failures()
def add(
    name: _Name,
    model: Annotated[Path | None, typer.Option(help="Checkpoint directory, run in the gateway.")] = None,
    upstream: Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible server.")] = None,
    upstream_model: Annotated[
        str | None, typer.Option(help="The model's name there. Default: the backend's.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option(help="Name of the gateway's environment variable with the server's key.")
    ] = None,
    topic: _Topics = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Its unlearning certificate. Default: unlearning.json in the checkpoint.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of the one with this name; topics stay.")
    ] = False,
    database: Database = None,
) -> None:
    """Add an alternative model. Nothing is loaded here; a running gateway opens it at its next request."""
    if model is not None:
        _check_unlearned(model.expanduser(), certificate)
    body = checked(
        name=name,
        model_dir=None if model is None else str(model.expanduser().resolve()),
        url=upstream,
        model=upstream_model,
        key_env=key_env,
        topics=topic or [],
        unlearning=None if certificate is None else read_unlearning(certificate),
    )
    record = asyncio.run(backend_record(body))
    keep = replace and topic is None

    async def put(store: Store) -> tuple[PolicyRecord, int]:
        before = await store.policy()
        return before, await store.put_backend(record, replace=replace, keep_topics=keep)

    before, revision = with_store(database, put, create=True)
    _tell_added(record, before)
    typer.echo(f"revision {revision}")


def _tell_added(record: BackendRecord, before: PolicyRecord) -> None:
    """Say whether something was replaced, and whether a certificate in force is about this very model."""
    old = [backend.fingerprint for backend in before.backends if backend.name == record.name]
    if not old:
        typer.echo(f"added {record.name} (fingerprint {record.fingerprint})")
    else:
        was = "the same as before" if old == [record.fingerprint] else f"before: {old[0]}"
        typer.echo(f"replaced {record.name} (fingerprint {record.fingerprint}; {was})")
    if (certificate := _certificate(before, record)) != NONE:
        typer.echo(f"The certificate {certificate}, which is in force, fits it.")
    else:
        typer.echo(
            "No certificate in force fits it; while a topic is active its answers need one: "
            f"lethe calibrate --model {record.name}"
        )


def _check_unlearned(directory: Path, certificate: Path | None) -> None:
    """Refuse weights that their unlearning certificate is not about, or whose promise does not follow."""
    file = directory / UNLEARNING_FILE if certificate is None else certificate
    if not file.is_file():
        return
    try:
        problems = verify_in(UnlearningCertificate.from_json(file.read_text(encoding="utf-8")), directory)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file}: {error}") from error
    if problems:
        raise InvalidInput(f"{file} is not sound: {problems[0]}; `lethe certificate verify` says more")


@app.command("list")
@reporting_failures()
def list_backends(database: Database = None) -> None:
    """List the backends: what each is, what it answers, what its unlearning and its leaks are certified for."""
    record = with_store(database, lambda store: store.policy())
    print_table(_table(record) if record.backends else "no backends")


@app.command()
@reporting_failures()
def remove(name: _Name, database: Database = None) -> None:
    """Remove a backend. Its topics go back to the default model, under that model's own certificate."""
    revision = with_store(database, lambda store: store.remove_backend(name))
    typer.echo(f"removed {name}\nrevision {revision}")


@app.command()
@reporting_failures()
def route(
    name: _Name,
    topic: _Topics = None,
    no_topic: Annotated[bool, typer.Option("--no-topic", help="Route no topic to it.")] = False,
    database: Database = None,
) -> None:
    """Say which topics a backend answers: these and no others. A topic has one backend at most."""
    if bool(topic) == no_topic:
        raise InvalidInput("name the topics with --topic, or say --no-topic")
    revision = with_store(database, lambda store: store.route_topics(name, topic or []))
    typer.echo(f"{name} answers {', '.join(sorted(topic)) if topic else 'no topic'}\nrevision {revision}")


def _table(record: PolicyRecord) -> Table:
    name = Column("name", no_wrap=True, overflow="ignore")
    table = Table(name, "what", "topics", "keys", "unlearned by", "promised", "leak certificate", box=SIMPLE)
    for backend in record.backends:
        keys = [key.name for key in record.keys if key.backend == backend.name and key.revoked_at is None]
        table.add_row(
            backend.name,
            _place(backend),
            ", ".join(backend.topics) or "-",
            ", ".join(keys) or "-",
            *(words or "-" for words in unlearning_in_brief(backend.unlearning)),
            _certificate(record, backend),
        )
    return table


def _place(backend: BackendRecord) -> str:
    place = backend.place
    if isinstance(place, Checkpoint):
        gone = "" if (place.path / "config.json").is_file() else " (no checkpoint there now)"
        return f"{place.path}{gone}"
    return f"{place.model} at {place.url}"


def _certificate(record: PolicyRecord, backend: BackendRecord) -> str:
    """Name the active certificate that was made of this very model."""
    for body in record.certificates:
        bindings = body.get("bindings")
        if isinstance(bindings, dict) and bindings.get("generator") == backend.fingerprint:
            return str(body.get("id"))
    return NONE
