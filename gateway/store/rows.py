"""Between rows and records: the SQL of topics, certificates and the revision. Opens no transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Conflict, NotFound
from gateway.store.records import Fallback, ForgetTopic
from gateway.store.schema import certificates, policy, topics
from verifiers.private.file import private_topic_from
from verifiers.private.topic import PrivateTopic
from verifiers.protocol import Topic

__all__ = [
    "activate_certificate",
    "active_certificates",
    "bump_revision",
    "change_topic",
    "deactivate_certificates",
    "insert_certificate",
    "insert_topics",
    "read_revision",
    "read_topic",
    "read_topics",
    "remove_topic",
    "topic_values",
]


async def bump_revision(connection: AsyncConnection) -> int:
    """Add one to the revision and return it. Every write begins with it: that also serialises writers."""
    counted = update(policy).values(revision=policy.c.revision + 1).returning(policy.c.revision)
    return int((await connection.execute(counted)).scalar_one())


async def read_revision(connection: AsyncConnection) -> int:
    """Return the number of writes so far."""
    return int((await connection.execute(select(policy.c.revision))).scalar_one())


async def read_topics(connection: AsyncConnection) -> tuple[ForgetTopic, ...]:
    """Return all topics in the order of their ids. Raises ``ValueError`` for a row that makes no topic."""
    rows = (await connection.execute(select(topics))).all()
    return tuple(_topic(row) for row in sorted(rows, key=attrgetter("id")))


async def read_topic(connection: AsyncConnection, topic_id: str) -> ForgetTopic:
    """Return one topic. Raises ``NotFound``."""
    row = (await connection.execute(select(topics).where(topics.c.id == topic_id))).one_or_none()
    if row is None:
        raise _no_such("topic")
    return _topic(row)


async def insert_topics(connection: AsyncConnection, new: Sequence[ForgetTopic], now: datetime) -> None:
    """Add topics. Raises ``Conflict`` naming the ids that are taken, or given twice."""
    ids = [topic.topic.id for topic in new]
    twice = {one for one in ids if ids.count(one) > 1}
    taken = set((await connection.execute(select(topics.c.id).where(topics.c.id.in_(ids)))).scalars())
    if clash := sorted(twice | taken):
        raise Conflict(f"already there: {', '.join(clash)}; change or remove it first, or choose another id")
    stamps = {"created_at": now, "updated_at": now}
    values = [{**topic_values(topic), **stamps, "metrics_id": secrets.token_hex(6)} for topic in new]
    if values:
        await connection.execute(insert(topics), values)


async def change_topic(
    connection: AsyncConnection, topic_id: str, values: Mapping[str, Any], now: datetime
) -> None:
    """Set some columns of a topic. Raises ``NotFound``."""
    changed = update(topics).where(topics.c.id == topic_id).values(**values, updated_at=now)
    _require_one(await connection.execute(changed), "topic")


async def remove_topic(connection: AsyncConnection, topic_id: str) -> None:
    """Delete a topic. Raises ``NotFound``."""
    _require_one(await connection.execute(delete(topics).where(topics.c.id == topic_id)), "topic")


async def insert_certificate(
    connection: AsyncConnection, certificate_id: str, body: Mapping[str, Any], now: datetime
) -> None:
    """Keep a certificate, inactive. Raises ``Conflict`` where the id stands for another body already."""
    found = select(certificates.c.body).where(certificates.c.id == certificate_id)
    known = (await connection.execute(found)).scalar_one_or_none()
    if known is not None and known != dict(body):
        raise Conflict("another certificate has this id; calibrate again to get a new one")
    if known is None:
        values = {
            "id": certificate_id,
            "body": dict(body),
            "active": False,
            "added_at": now,
            "generator": _generator(body),
        }
        await connection.execute(insert(certificates), values)


async def activate_certificate(connection: AsyncConnection, certificate_id: str, now: datetime) -> None:
    """Make one certificate the active one of its generator. Raises ``NotFound``."""
    found = select(certificates.c.generator).where(certificates.c.id == certificate_id)
    generator = (await connection.execute(found)).scalar_one_or_none()
    if generator is None:
        raise _no_such("certificate")
    of_it = certificates.c.generator == generator
    await connection.execute(update(certificates).where(of_it, certificates.c.active).values(active=False))
    await connection.execute(
        update(certificates).where(certificates.c.id == certificate_id).values(active=True, activated_at=now)
    )


async def deactivate_certificates(connection: AsyncConnection) -> None:
    """Leave no certificate active."""
    await connection.execute(update(certificates).where(certificates.c.active).values(active=False))


async def active_certificates(connection: AsyncConnection) -> tuple[dict[str, Any], ...]:
    """Return the bodies, the newest first. Raises ``ValueError`` for one that is not a mapping."""
    order = (certificates.c.added_at.desc(), certificates.c.id)
    found = select(certificates.c.body).where(certificates.c.active).order_by(*order)
    bodies = (await connection.execute(found)).scalars().all()
    if not all(isinstance(body, dict) for body in bodies):
        raise ValueError("a certificate's body is not a mapping")
    return tuple(bodies)


def _generator(body: Mapping[str, Any]) -> str:
    """Read the generator's fingerprint; bodies without one share the place of one certificate.

    One whose answers are streamed as they are verified has a place of its own.
    """
    bindings = body.get("bindings")
    if not isinstance(bindings, Mapping) or not isinstance(bindings.get("generator"), str):
        return ""
    return f"{bindings['generator']}{' streamed' if bindings.get('streamed') is True else ''}"


def topic_values(record: ForgetTopic) -> dict[str, Any]:
    """Return a topic as its columns, the two dates aside."""
    return {
        **_content(record.topic),
        "active": record.active,
        "monitored": record.monitored,
        "fallback_style": record.fallback.style,
        "fallback_text": record.fallback.text,
    }


_NO_TEXT: Final = {"name": "", "aliases": [], "description": "", "facts": [], "protected_texts": []}
"""What a private topic has in the columns of plain ones."""


def _content(topic: Topic | PrivateTopic) -> dict[str, Any]:
    if isinstance(topic, PrivateTopic):
        return {**_NO_TEXT, "id": topic.id, "private": asdict(topic)}
    return {
        "id": topic.id,
        "name": topic.name,
        "aliases": list(topic.aliases),
        "description": topic.description,
        "facts": list(topic.facts),
        "protected_texts": list(topic.protected_texts),
        "private": None,
    }


def _topic(row: Row[Any]) -> ForgetTopic:
    topic = _plain(row) if row.private is None else _private(row)
    fallback = Fallback(row.fallback_style, row.fallback_text)
    return ForgetTopic(topic, row.active, fallback, row.monitored, row.metrics_id)


def _private(row: Row[Any]) -> PrivateTopic:
    topic = private_topic_from(row.private)
    if topic.id != row.id or any(getattr(row, column) != empty for column, empty in _NO_TEXT.items()):
        raise ValueError("a private topic has another id than its row, or plain text beside its hashes")
    return topic


def _plain(row: Row[Any]) -> Topic:
    return Topic(
        id=row.id,
        name=row.name,
        aliases=_texts(row.aliases),
        description=row.description,
        facts=_texts(row.facts),
        protected_texts=_texts(row.protected_texts),
    )


def _texts(column: object) -> tuple[str, ...]:
    if not isinstance(column, list) or not all(isinstance(text, str) for text in column):
        raise ValueError("a topic's texts are not a list of texts")
    return tuple(column)


def _require_one(result: Any, what: str) -> None:
    if result.rowcount != 1:
        raise _no_such(what)


def _no_such(what: str) -> NotFound:
    return NotFound(f"there is no {what} with this id")
