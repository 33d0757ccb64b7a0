"""Between rows and records: the SQL of client keys and their limits. Opens no transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, InvalidInput, NotFound
from gateway.store.key_topic_rows import read_key_topics
from gateway.store.records import ClientKey, Fallback, KeyLimits, KeyTopic
from gateway.store.schema import backends, client_keys
from gateway.store.stamps import in_utc

__all__ = ["change_limits", "insert_key", "read_keys", "revoke_key"]


async def read_keys(connection: AsyncConnection) -> tuple[ClientKey, ...]:
    """Return all keys, revoked ones included, in the order of their names.

    Raises ``ValueError`` for a row whose limits are none: they must not read as no limit.
    """
    found = sorted((await connection.execute(select(client_keys))).all(), key=attrgetter("name"))
    topics = await read_key_topics(connection)
    return tuple(_key(row, topics.get(row.name, ())) for row in found)


async def insert_key(
    connection: AsyncConnection, name: str, digest: str, backend: str | None, limits: KeyLimits, now: datetime
) -> None:
    """Add a key. Raises ``Conflict`` for a name that is or was taken, ``NotFound`` for an unknown backend."""
    if (await connection.execute(select(client_keys.c.name).where(client_keys.c.name == name))).first():
        raise Conflict(f"there is or was a key {name!r}; choose another name")
    if backend is not None:
        there = select(backends.c.name).where(backends.c.name == backend)
        if (await connection.execute(there)).first() is None:
            raise NotFound(f"there is no backend {backend!r}")
    _require_one_choice(backend, limits)
    values = {"name": name, "digest": digest, "backend": backend, "created_at": now, **_columns(limits)}
    await connection.execute(insert(client_keys), values)


async def change_limits(connection: AsyncConnection, name: str, changes: Mapping[str, Any]) -> KeyLimits:
    """Set some limits of a key, by the names of ``KeyLimits``'s fields, and return all that it has then.

    Raises ``NotFound`` where there is none, or it is revoked.
    """
    live = (client_keys.c.name == name) & client_keys.c.revoked_at.is_(None)
    row = (await connection.execute(select(client_keys).where(live))).one_or_none()
    if row is None:
        raise NotFound(f"there is no key {name!r} that is in force")
    limits = replace(_limits(row), **changes)
    _require_one_choice(row.backend, limits)
    await connection.execute(update(client_keys).where(live).values(**_columns(limits)))
    return limits


async def revoke_key(connection: AsyncConnection, name: str, now: datetime) -> None:
    """Revoke a key. Raises ``NotFound`` where there is none, or it is revoked already."""
    live = (client_keys.c.name == name) & client_keys.c.revoked_at.is_(None)
    done: Any = await connection.execute(update(client_keys).where(live).values(revoked_at=now))
    if done.rowcount != 1:
        raise NotFound(f"there is no key {name!r} that could be revoked")


def _require_one_choice(backend: str | None, limits: KeyLimits) -> None:
    if backend is not None and limits.models is not None:
        raise InvalidInput("a key with a backend asks for nothing else; leave out the models", param="models")


def _columns(limits: KeyLimits) -> dict[str, Any]:
    return {**asdict(limits), "models": None if limits.models is None else list(limits.models)}


def _key(row: Row[Any], topics: tuple[KeyTopic, ...]) -> ClientKey:
    revoked_at = None if row.revoked_at is None else in_utc(row.revoked_at)
    fallback = None if row.fallback_style is None else Fallback(row.fallback_style, row.fallback_text)
    made = in_utc(row.created_at)
    return ClientKey(row.name, row.digest, row.backend, made, revoked_at, _limits(row), topics, fallback)


def _limits(row: Row[Any]) -> KeyLimits:
    models = row.models
    if models is not None and not (isinstance(models, list) and all(isinstance(name, str) for name in models)):
        raise ValueError("a key's models are not a list of names")
    numbers = (row.requests_per_minute, row.tokens_per_minute, row.concurrent)
    if not all(number is None or isinstance(number, int) for number in numbers):
        raise ValueError("a key's limit is not a number")
    return KeyLimits(None if models is None else tuple(models), *numbers)
