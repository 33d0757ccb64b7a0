"""`lethe keys …`: each command parses, calls one function, prints."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

import typer
from pydantic import ValidationError
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from gateway.cli.failures import reporting_failures
from gateway.cli.key_topics import exempt_command, fallback_command, topics_command
from gateway.cli.stores import Database, with_store
from gateway.cli.tables import print_table
from gateway.clients import key_digest, new_key
from gateway.errors import InvalidInput
from gateway.store.backend_wire import KeyBody, LimitsBody
from gateway.store.records import ClientKey, KeyLimits
from gateway.store.wire import explain

__all__ = ["app"]

BodyT = TypeVar("BodyT", bound=LimitsBody)

app = typer.Typer(name="keys", help="Who may ask, how much, and which backend answers.", no_args_is_help=True)


class Limit(StrEnum):
    """A limit as an option."""

    MODEL = "model"
    RPM = "rpm"
    TPM = "tpm"
    CONCURRENT = "concurrent"


_FIELDS: Final = {
    Limit.MODEL: "models",
    Limit.RPM: "requests_per_minute",
    Limit.TPM: "tokens_per_minute",
    Limit.CONCURRENT: "concurrent",
}

_Name = Annotated[str, typer.Argument(help="What the key is called.")]
_Models = Annotated[
    list[str] | None, typer.Option("--model", help="A model that it may ask for; may be repeated.")
]
_Rpm = Annotated[int | None, typer.Option(help="Requests a minute, in each process.")]
_Tpm = Annotated[int | None, typer.Option(help="Tokens of answers a minute, in each process.")]
_Concurrent = Annotated[int | None, typer.Option(help="Requests at one time, in each process.")]


@app.command()
@reporting_failures()
def create(
    name: _Name,
    backend: Annotated[str | None, typer.Option(help="Backend that answers whoever sends the key.")] = None,
    model: _Models = None,
    rpm: _Rpm = None,
    tpm: _Tpm = None,
    concurrent: _Concurrent = None,
    database: Database = None,
) -> None:
    """Make a client key and print it, this once. From then on every client must send a key."""
    body = _checked(KeyBody, {"name": name, "backend": backend, **_given(model, rpm, tpm, concurrent)})
    key = new_key()
    revision = with_store(
        database, lambda store: store.add_key(body.name, key_digest(key), body.backend, body.limits), create=True
    )
    typer.echo(key)
    typer.echo(f"made the key {name}; it cannot be shown again (revision {revision})", err=True)


@app.command()
@reporting_failures()
def limit(
    name: _Name,
    model: _Models = None,
    rpm: _Rpm = None,
    tpm: _Tpm = None,
    concurrent: _Concurrent = None,
    lift: Annotated[list[Limit] | None, typer.Option(help="A limit to take away; may be repeated.")] = None,
    database: Database = None,
) -> None:
    """Set limits of a key from the next request on. What is not named stays as it is."""
    given, lifted = _given(model, rpm, tpm, concurrent), {_FIELDS[one]: None for one in lift or ()}
    if given.keys() & lifted.keys():
        raise InvalidInput("a limit is either set or lifted, not both", param="lift")
    if not given and not lifted:
        raise InvalidInput("name a limit to set, as in --rpm 60, or one to --lift", param="lift")
    changes = _checked(LimitsBody, {**given, **lifted}).changes()
    revision, limits = with_store(database, lambda store: store.limit_key(name, changes))
    typer.echo(f"{name}: {_brief(limits)}\nrevision {revision}")


app.command("topics")(topics_command)
app.command("exempt")(exempt_command)
app.command("fallback")(fallback_command)


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


def _given(
    models: Sequence[str] | None, rpm: int | None, tpm: int | None, concurrent: int | None
) -> dict[str, Any]:
    values = {
        Limit.MODEL: list(models) if models else None,
        Limit.RPM: rpm,
        Limit.TPM: tpm,
        Limit.CONCURRENT: concurrent,
    }
    return {_FIELDS[limit_]: value for limit_, value in values.items() if value is not None}


def _checked(shape: type[BodyT], given: dict[str, Any]) -> BodyT:
    try:
        return shape.model_validate(given)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        raise InvalidInput(f"the key's {field}: {explain(first)}", param=field) from None


def _table(keys: Sequence[ClientKey]) -> Table:
    table = Table("name", "backend", "limits", "topics", "fallback", "made", "state", box=SIMPLE)
    for key in keys:
        state = "in force" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d}"
        # Text, since a model's name may hold what rich takes for markup.
        limits = Text(_brief(key.limits))
        fallback = "" if key.fallback is None else key.fallback.style
        own = (limits, _own_topics(key), fallback)
        table.add_row(key.name, key.backend or "any", *own, f"{key.created_at:%Y-%m-%d}", state)
    return table


def _own_topics(key: ClientKey) -> str:
    signs = {"extra": "+", "exempt": "-"}
    return " ".join(signs[one.kind] + one.topic_id for one in key.topics)


def _brief(limits: KeyLimits) -> str:
    parts = {
        "models": None if limits.models is None else " ".join(limits.models),
        "rpm": limits.requests_per_minute,
        "tpm": limits.tokens_per_minute,
        "concurrent": limits.concurrent,
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None) or "no limits"
