"""Between writes and the audit log: what a write changed, told without what is forgotten. Opens no transaction.

What changed is found by comparing all that is kept before and after, so no write can forget to say it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Table,
    Text,
    insert,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.chain import BEFORE_ALL, Chained, canonical, chained
from gateway.store.schema import (
    admin_keys,
    audit,
    backends,
    calibrations,
    certificates,
    client_keys,
    key_topics,
    routes,
    topics,
    verifier_modes,
)

__all__ = ["KINDS", "Kind", "State", "Write", "append", "read_chain", "state", "state_of"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A table as the log tells of it: some columns as they are, the sensitive ones only as one digest.

    ``left_out`` says nothing that matters, or must not be said. What is not ``of_the_policy`` is also written by
    whoever works at it, all the time and unlogged: it is compared only where somebody asks for something.
    """

    table: Table
    key: str
    shown: tuple[str, ...]
    digested: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    of_the_policy: bool = True


KINDS: Final[Mapping[str, Kind]] = {
    "topic": Kind(
        topics,
        "id",
        ("active", "monitored", "fallback_style"),
        ("name", "aliases", "description", "facts", "protected_texts", "fallback_text", "private"),
        ("created_at", "updated_at", "metrics_id"),
    ),
    "verifier": Kind(verifier_modes, "name", ("mode",)),
    "certificate": Kind(certificates, "id", ("active", "generator"), ("body",), ("added_at", "activated_at")),
    "backend": Kind(
        backends,
        "name",
        ("model_dir", "url", "model", "key_env", "fingerprint"),
        ("unlearning",),
        ("updated_at",),
    ),
    "route": Kind(routes, "topic_id", ("backend",)),
    "key": Kind(
        client_keys,
        "name",
        (
            *("backend", "models", "requests_per_minute", "tokens_per_minute", "concurrent", "revoked_at"),
            "fallback_style",
        ),
        ("fallback_text",),
        ("digest", "created_at"),
    ),
    "admin": Kind(admin_keys, "name", ("role", "revoked_at"), (), ("digest", "created_at")),
    "key topic": Kind(key_topics, "id", ("key", "topic_id", "kind", "reason")),
    "calibration": Kind(
        calibrations,
        "id",
        ("state", "cancelling", "model", "wish", "total"),
        ("prompts",),
        (
            *("done", "attempts", "note", "certificate", "asked_by", "owner", "held_until"),
            *("created_at", "updated_at"),
        ),
        of_the_policy=False,
    ),
}

State: TypeAlias = Mapping[tuple[str, str], Mapping[str, Any]]
"""Every row's columns as they lie in the database, by kind and key."""


@dataclass(frozen=True, slots=True)
class Write:
    """Who wrote, what they asked for, when, and which revision it made."""

    who: str
    what: str
    at: datetime
    revision: int


async def state(connection: AsyncConnection) -> State:
    """Read all that is of the policy. What is damaged is read as it lies: it may be about to be repaired."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for name, kind in KINDS.items():
        if kind.of_the_policy:
            found |= await _rows_of(connection, name, _columns(kind))
    return found


async def state_of(connection: AsyncConnection, name: str, key: str) -> State:
    """Read one row of a kind; nothing where there is none."""
    kind = KINDS[name]
    return await _rows_of(connection, name, _columns(kind).where(kind.table.c[kind.key] == key))


async def append(connection: AsyncConnection, write: Write, before: State, after: State) -> None:
    """Log a write: an entry for each thing that it changed, or one that says that it changed nothing."""
    last = select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
    number, previous = (await connection.execute(last)).one_or_none() or (0, BEFORE_ALL)
    about = {
        "who": write.who,
        "what": write.what,
        "at": write.at.astimezone(UTC).isoformat(),
        "revision": write.revision,
    }
    for change in list(_changes(before, after)) or [_NO_CHANGE]:
        row = chained(number + 1, {**about, **change}, previous)
        values = {"number": row.number, "entry": row.entry, "previous": row.previous, "hash": row.hash}
        await connection.execute(insert(audit), values)
        number, previous = row.number, row.hash


async def read_chain(connection: AsyncConnection) -> tuple[Chained, ...]:
    """Return the whole log in its order, unverified."""
    columns = (audit.c.number, audit.c.entry, audit.c.previous, audit.c.hash)
    rows = (await connection.execute(select(*columns).order_by(audit.c.number))).all()
    return tuple(Chained(int(number), *map(str, rest)) for number, *rest in rows)


_NO_CHANGE: Final[Mapping[str, Any]] = {"subject": "", "changed": [], "before": None, "after": None}


def _columns(kind: Kind) -> Select[Any]:
    return select(*(_as_it_lies(kind.table.c[column]) for column in (kind.key, *kind.shown, *kind.digested)))


async def _rows_of(
    connection: AsyncConnection, name: str, selected: Select[Any]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    names = (*KINDS[name].shown, *KINDS[name].digested)
    rows = (await connection.execute(selected)).all()
    return {(name, str(row[0])): dict(zip(names, map(_alike, row[1:]), strict=True)) for row in rows}


def _changes(before: State, after: State) -> Iterator[Mapping[str, Any]]:
    for kind, key in sorted(before.keys() | after.keys()):
        old, new = before.get((kind, key)), after.get((kind, key))
        if old == new:
            continue
        names = (*KINDS[kind].shown, *KINDS[kind].digested)
        yield {
            "subject": f"{kind} {key}",
            "changed": [name for name in names if old is None or new is None or old[name] != new[name]],
            "before": None if old is None else told(kind, old),
            "after": None if new is None else told(kind, new),
        }


def told(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Say what the log says of a thing: the shown columns, and one digest of the others."""
    shown = {name: values[name] for name in KINDS[kind].shown}
    if not KINDS[kind].digested:
        return shown
    content = canonical({name: values[name] for name in KINDS[kind].digested})
    return {**shown, "content": hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()}


def _alike(value: Any) -> Any:
    """Give what a server's driver reads as a type of its own the form that it has in a file."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return int(value) if isinstance(value, bool) else value


def _as_it_lies(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Read without converting, so that what cannot be converted is still told apart."""
    if isinstance(column.type, JSON | DateTime):
        return type_coerce(column, Text)
    return type_coerce(column, Integer) if isinstance(column.type, Boolean) else column
