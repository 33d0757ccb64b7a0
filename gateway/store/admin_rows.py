"""Between rows and records: the SQL of admin keys. Opens no transaction."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, NotFound
from gateway.store.records import AdminKey, AdminRole
from gateway.store.schema import admin_keys
from gateway.store.stamps import in_utc

__all__ = ["insert_admin_key", "read_admin_keys", "revoke_admin_key"]


async def read_admin_keys(connection: AsyncConnection) -> tuple[AdminKey, ...]:
    """Return all, by name. Raises ``ValueError`` for a row whose role is none."""
    rows = (await connection.execute(select(admin_keys))).all()
    named = sorted(rows, key=attrgetter("name"))
    return tuple(_key(row) for row in named)


def _key(row: Row[Any]) -> AdminKey:
    revoked_at = None if row.revoked_at is None else in_utc(row.revoked_at)
    return AdminKey(row.name, row.digest, row.role, in_utc(row.created_at), revoked_at)


async def insert_admin_key(
    connection: AsyncConnection, name: str, digest: str, role: AdminRole, now: datetime
) -> None:
    """Add a key. Raises ``Conflict`` for a name that is or was taken."""
    if (await connection.execute(select(admin_keys.c.name).where(admin_keys.c.name == name))).first():
        raise Conflict(f"there is or was an admin key {name!r}; choose another name")
    values = {"name": name, "digest": digest, "role": role, "created_at": now}
    await connection.execute(insert(admin_keys), values)


async def revoke_admin_key(connection: AsyncConnection, name: str, now: datetime) -> None:
    """Revoke a key. Raises ``NotFound`` where there is none, or it is revoked already."""
    live = (admin_keys.c.name == name) & admin_keys.c.revoked_at.is_(None)
    done: Any = await connection.execute(update(admin_keys).where(live).values(revoked_at=now))
    if done.rowcount != 1:
        raise NotFound(f"there is no admin key {name!r} that could be revoked")
