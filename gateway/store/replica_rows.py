"""The SQL of replicas that say by which revision they serve. PostgreSQL's alone; opens no transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.records import ReplicaRecord
from gateway.store.schema import replicas

__all__ = ["read_replicas", "remove_replica", "say_present"]

_LATELY = text("seen_at >= now() - interval '10 seconds'")
_LONG_AGO = text("seen_at < now() - interval '10 seconds'")
"""By the server's clock: those of the replicas may differ. A replica says that it is there every second."""


async def say_present(connection: AsyncConnection, record: ReplicaRecord) -> None:
    """Write down that a replica is there now; a new one removes those that have gone without a word."""
    values = {"version": record.version, "revision": record.revision, "seen_at": func.now()}
    done: Any = await connection.execute(update(replicas).where(replicas.c.name == record.name).values(**values))
    if done.rowcount == 0:
        await connection.execute(delete(replicas).where(_LONG_AGO))
        await connection.execute(insert(replicas).values(name=record.name, **values))


async def remove_replica(connection: AsyncConnection, name: str) -> None:
    """Write down that a replica is there no more."""
    await connection.execute(delete(replicas).where(replicas.c.name == name))


async def read_replicas(connection: AsyncConnection) -> tuple[ReplicaRecord, ...]:
    """Return those that said lately that they are there, in the order of their names."""
    columns = (replicas.c.name, replicas.c.version, replicas.c.revision)
    found = (await connection.execute(select(*columns).where(_LATELY))).all()
    return tuple(ReplicaRecord(*row) for row in sorted(tuple(row) for row in found))
