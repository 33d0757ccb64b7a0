"""Between rows and records: the SQL of backends and their topics. Opens no transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, NotFound
from gateway.store.records import BackendRecord, Checkpoint, Place, Server
from gateway.store.schema import backends, client_keys, routes, topics

__all__ = [
    "put_backend",
    "read_backends",
    "remove_backend",
    "route_topics",
]


async def read_backends(connection: AsyncConnection) -> tuple[BackendRecord, ...]:
    """Return all backends in the order of their names. Raises ``ValueError`` for a row that makes none."""
    routed = sorted((await connection.execute(select(routes))).all(), key=attrgetter("topic_id"))
    found = sorted((await connection.execute(select(backends))).all(), key=attrgetter("name"))
    return tuple(_backend(row, [r.topic_id for r in routed if r.backend == row.name]) for row in found)


async def put_backend(
    connection: AsyncConnection, record: BackendRecord, now: datetime, *, replace: bool, keep_topics: bool
) -> None:
    """Add a backend, or with ``replace`` put it in the place of one with its name.

    Its topics are set, unless ``keep_topics`` says that they stay what they are.

    Raises ``Conflict`` for a name that is taken, ``NotFound`` for a topic that there is not.
    """
    values = {**_place_values(record.place), "fingerprint": record.fingerprint, "updated_at": now}
    values["unlearning"] = None if record.unlearning is None else dict(record.unlearning)
    known = (await connection.execute(select(backends.c.name).where(backends.c.name == record.name))).first()
    if known is not None and not replace:
        raise Conflict(f"there is a backend {record.name!r} already; replace it, or choose another name")
    if known is None:
        await connection.execute(insert(backends), {"name": record.name, **values})
    else:
        await connection.execute(update(backends).where(backends.c.name == record.name).values(**values))
    if not keep_topics:
        await route_topics(connection, record.name, record.topics)


async def route_topics(connection: AsyncConnection, name: str, topic_ids: Sequence[str]) -> None:
    """Route exactly these topics to the backend; one that was routed to another moves. Raises ``NotFound``."""
    wanted = sorted(set(topic_ids))
    if (await connection.execute(select(backends.c.name).where(backends.c.name == name))).first() is None:
        raise NotFound(f"there is no backend {name!r}")
    known = set((await connection.execute(select(topics.c.id).where(topics.c.id.in_(wanted)))).scalars())
    if missing := [topic_id for topic_id in wanted if topic_id not in known]:
        raise NotFound(f"there is no topic {missing[0]!r}")
    await connection.execute(delete(routes).where((routes.c.backend == name) | routes.c.topic_id.in_(wanted)))
    if wanted:
        await connection.execute(insert(routes), [{"topic_id": id_, "backend": name} for id_ in wanted])


async def remove_backend(connection: AsyncConnection, name: str) -> None:
    """Delete a backend; its topics go back to the default model.

    Raises ``NotFound``, and ``Conflict`` while a key is routed to it: that client was promised this model, and
    no other may answer it instead.
    """
    of_it = client_keys.c.backend == name
    held = select(client_keys.c.name).where(of_it, client_keys.c.revoked_at.is_(None)).order_by(client_keys.c.name)
    if names := list((await connection.execute(held)).scalars()):
        raise Conflict(f"these keys are routed to the backend: {', '.join(names)}; revoke them first")
    await connection.execute(update(client_keys).where(of_it).values(backend=None))
    done: Any = await connection.execute(delete(backends).where(backends.c.name == name))
    if done.rowcount != 1:
        raise NotFound(f"there is no backend {name!r}")


def _backend(row: Row[Any], topic_ids: Sequence[str]) -> BackendRecord:
    if row.unlearning is not None and not isinstance(row.unlearning, dict):
        raise ValueError("an unlearning certificate's body is not a mapping")
    return BackendRecord(row.name, _place(row), row.fingerprint, row.unlearning, tuple(topic_ids))


def _place(row: Row[Any]) -> Place:
    if row.model_dir is not None:
        return Checkpoint(Path(row.model_dir))
    if row.url is None or row.model is None:
        raise ValueError("a backend has no place")
    return Server(row.url, row.model, row.key_env)


def _place_values(place: Place) -> dict[str, Any]:
    match place:
        case Checkpoint(path):
            return {"model_dir": str(path), "url": None, "model": None, "key_env": None}
        case Server(url, model, key_env):
            return {"model_dir": None, "url": url, "model": model, "key_env": key_env}
