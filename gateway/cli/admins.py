"""`lethe admins …`: each command parses, calls one function, prints."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.box import SIMPLE
from rich.table import Table

from gateway.admins import new_admin_key
from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.cli.tables import print_table
from gateway.clients import key_digest
from gateway.errors import InvalidInput
from gateway.store.backend_wire import AdminKeyBody
from gateway.store.wire import explain

__all__ = ["app"]

app = typer.Typer(name="admins", help="Who may use the admin API, and for what.", no_args_is_help=True)


class RoleName(StrEnum):
    """What an admin key may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_Name = Annotated[str, typer.Argument(help="What the key is called.")]


@app.command()
@reporting_failures()
def create(
    name: _Name,
    role: Annotated[RoleName, typer.Option(help="What it may: see docs/keys.md.")],
    database: Database = None,
) -> None:
    """Make an admin key and print it, this once."""
    try:
        body = AdminKeyBody(name=name, role=role.value)
    except ValidationError as failure:
        raise InvalidInput(f"the key's name: {explain(failure.errors()[0])}", param="name") from None
    key = new_admin_key()
    revision = with_store(
        database, lambda store: store.add_admin_key(body.name, key_digest(key), body.role), create=True
    )
    typer.echo(key)
    typer.echo(f"made the admin key {name} ({role}); it cannot be shown again (revision {revision})", err=True)


@app.command("list")
@reporting_failures()
def list_admins(database: Database = None) -> None:
    """List the admin keys by name; the keys themselves are kept nowhere."""
    keys = with_store(database, lambda store: store.admin_keys())
    table = Table("name", "role", "made", "state", box=SIMPLE)
    for key in keys:
        state = "in force" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}"
        table.add_row(key.name, key.role, f"{key.created_at:%Y-%m-%d}", state)
    print_table(table if keys else "no admin keys")


@app.command()
@reporting_failures()
def revoke(name: _Name, database: Database = None) -> None:
    """Refuse an admin key from the next request on."""
    revision = with_store(database, lambda store: store.revoke_admin_key(name))
    typer.echo(f"revoked {name}\nrevision {revision}")
