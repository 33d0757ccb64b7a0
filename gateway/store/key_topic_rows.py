"""Between rows and records: the SQL of topics and fallbacks that keys have of their own. Opens no transaction."""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import NotFound
from gateway.store.records import Fallback, KeyTopic
from gateway.store.schema import client_keys, key_topics, topics

__all__ = ["drop_key_topic", "put_fallback", "put_key_topic", "read_key_topics"]


async def read_key_topics(connection: AsyncConnection) -> dict[str, tuple[KeyTopic, ...]]:
    """Return them by the key's name, ordered by topic. Raises ``ValueError`` for a row that is none."""
    found: dict[str, list[KeyTopic]] = defaultdict(list)
    rows = (await connection.execute(select(key_topics))).all()
    for row in sorted(rows, key=attrgetter("topic_id")):  # databases differ in how they order letters
        found[row.key].append(KeyTopic(row.topic_id, row.kind, row.reason))
    return {key: tuple(listed) for key, listed in found.items()}


async def put_key_topic(connection: AsyncConnection, name: str, topic: KeyTopic) -> None:
    """Give a key a topic more or less, in place of what it had of it. Raises ``NotFound`` for either."""
    await _require_live(connection, name)
    there = select(topics.c.id).where(topics.c.id == topic.topic_id)
    if (await connection.execute(there)).first() is None:
        raise NotFound("there is no topic with this id")
    id_ = f"{topic.topic_id} {name}"
    await connection.execute(delete(key_topics).where(key_topics.c.id == id_))
    values = {"id": id_, "key": name, "topic_id": topic.topic_id, "kind": topic.kind, "reason": topic.reason}
    await connection.execute(insert(key_topics), values)


async def drop_key_topic(connection: AsyncConnection, name: str, topic_id: str) -> None:
    """Treat a key as all others where this topic is concerned. Raises ``NotFound`` where it is already."""
    done: Any = await connection.execute(delete(key_topics).where(key_topics.c.id == f"{topic_id} {name}"))
    if done.rowcount != 1:
        raise NotFound(f"the key {name!r} has neither more nor less of this topic than the others")


async def put_fallback(connection: AsyncConnection, name: str, fallback: Fallback | None) -> None:
    """Give a key a fallback of its own, or none. Raises ``NotFound``."""
    await _require_live(connection, name)
    values = {
        "fallback_style": None if fallback is None else fallback.style,
        "fallback_text": None if fallback is None else fallback.text,
    }
    await connection.execute(update(client_keys).where(client_keys.c.name == name).values(**values))


async def _require_live(connection: AsyncConnection, name: str) -> None:
    live = (client_keys.c.name == name) & client_keys.c.revoked_at.is_(None)
    if (await connection.execute(select(client_keys.c.name).where(live))).first() is None:
        raise NotFound(f"there is no key {name!r} that is in force")
