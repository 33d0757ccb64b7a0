"""`lethe keys …`: each command parses, calls one function, prints."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import ValidationError
from rich.box import SIMPLE
from rich.table import Table

from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.cli.tables import print_table
from gateway.clients import key_digest, new_key
from gateway.errors import InvalidInput
from gateway.store.backend_wire import KeyBody
from gateway.store.records import ClientKey
from gateway.store.wire import explain

__all__ = ["app"]

app = typer.Typer(name="keys", help="Who may ask, and which backend answers them.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="What the key is called.")]


@app.command()
@reporting_failures()
def create(
    name: _Name,
    backend: Annotated[str | None, typer.Option(help="Backend that answers whoever sends the key.")] = None,
    database: Database = None,
) -> None:
    """Make a client key and print it, this once. From then on every client must send a key."""
    try:
        body = KeyBody(name=name, backend=backend)
    except ValidationError as failure:
        raise InvalidInput(f"the key's name {explain(failure.errors(include_input=False)[0])}") from None
    key = new_key()
    revision = with_store(
        database, lambda store: store.add_key(body.name, key_digest(key), body.backend), create=True
    )
    typer.echo(key)
    typer.echo(f"made the key {name}; it cannot be shown again (revision {revision})", err=True)


@app.command("list")
@reporting_failures()
def list_keys(database: Database = None) -> None:
    """List the keys by name; the keys themselves are kept nowhere."""
    keys = with_store(database, lambda store: store.policy()).keys
    print_table(_table(keys) if keys else "no keys")


@app.command()
@reporting_failures()
def revoke(name: _Name, database: Database = None) -> None:
    """Refuse a key from the next request on. Where it was the last one, nobody can ask but with LETHE_API_KEY."""
    revision = with_store(database, lambda store: store.revoke_key(name))
    typer.echo(f"revoked {name}\nrevision {revision}")


def _table(keys: tuple[ClientKey, ...]) -> Table:
    table = Table("name", "backend", "made", "state", box=SIMPLE)
    for key in keys:
        state = "in force" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}"
        table.add_row(key.name, key.backend or "any", f"{key.created_at:%Y-%m-%d}", state)
    return table
