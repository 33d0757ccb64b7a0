"""The store's door: every read and write of the policy, each in one transaction. Knows no HTTP, no models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import InvalidInput
from gateway.store import (
    admin_rows,
    audit_rows,
    backend_rows,
    certificate_rows,
    key_rows,
    key_topic_rows,
    mode_rows,
    replica_rows,
    rows,
)
from gateway.store.acting import ACTING
from gateway.store.addresses import database_at
from gateway.store.chain import Chained
from gateway.store.database import Database, Watch, transaction
from gateway.store.migrate import upgrade
from gateway.store.records import (
    NO_LIMITS,
    AdminKey,
    AdminRole,
    BackendRecord,
    Fallback,
    ForgetTopic,
    KeptCertificate,
    KeyLimits,
    KeyTopic,
    Mode,
    PolicyRecord,
    ReplicaRecord,
)
from gateway.store.unlogged import unlogged

__all__ = ["BUSY_TIMEOUT_S", "GRACE_S", "Clock", "Store"]

BUSY_TIMEOUT_S = 5.0
"""How long a transaction waits for another program's write lock before it gives up."""

GRACE_S = 10.0
"""How long what a database server said last is believed while it cannot be reached. A file is always asked."""

Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """The policy: topics, certificates, backends, client keys, in one database that processes and replicas share.

    Every write adds one to the revision in its own transaction, enters what it changed into the audit log, and
    returns it. A write that has returned is on disk: kill -9 and loss of power lose nothing acknowledged, and
    nothing is ever half done. Safe to call concurrently from one event loop. Every method may raise
    ``StoreError``.
    """

    def __init__(self, database: Database, watch: Watch[Any], clock: Clock, who: str) -> None:
        """Take the opened parts. Use ``Store.open``."""
        self.database = database
        self._watch = watch
        self._clock = clock
        self._who = who
        self._seen: object = None

    @classmethod
    async def open(
        cls,
        url_or_path: str | Path,
        *,
        create: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        grace_s: float = GRACE_S,
        clock: Clock = _utc_now,
        who: str = "lethe",
    ) -> Self:
        """Open a database, bringing its tables to the newest schema.

        With ``create`` a missing file is made (its directory is not), and an empty database of a server filled.
        ``who`` is how the audit log calls whoever writes by this store. Raises ``InvalidInput`` for a URL that
        names no database that Lethe can use, and ``StoreError`` for one that is missing, damaged, locked,
        read-only, another program's, or of a newer Lethe; it is then as it was.
        """
        database = database_at(url_or_path, create=create, busy_timeout_s=busy_timeout_s, grace_s=grace_s)
        try:
            async with transaction(database, database.transactions.opening) as connection:
                await connection.run_sync(partial(database.prepare, create=create))
                await connection.run_sync(upgrade, database.shown)
            return cls(database, database.watch(), clock, who)
        except BaseException:
            await database.engine.dispose()
            raise

    @property
    def shown(self) -> str:
        """Name the database for people: without a password."""
        return self.database.shown

    @property
    def shared(self) -> bool:
        """Whether processes on other machines may use the database too; then they say that they are there."""
        return self.database.shared

    async def say_present(self, record: ReplicaRecord) -> None:
        """Tell the other replicas of this one. Makes no revision. Only where the database is shared."""
        async with transaction(self.database, self.database.transactions.writing) as connection:
            await replica_rows.say_present(connection, record)

    async def leave(self, name: str) -> None:
        """Tell the other replicas that this one has gone. Only where the database is shared."""
        async with transaction(self.database, self.database.transactions.writing) as connection:
            await replica_rows.remove_replica(connection, name)

    async def replicas(self) -> tuple[ReplicaRecord, ...]:
        """Return who serves, in the order of their names; none where the database is not shared."""
        if not self.shared:
            return ()
        async with self._reading() as connection:
            return await replica_rows.read_replicas(connection)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._watch.aclose()
        await self.database.engine.dispose()

    def revision_changed(self) -> bool:
        """Say whether anybody, in any process, has written since the last ``snapshot`` of this store.

        True before the first snapshot, and until one succeeds. Takes microseconds, so ask it at every
        request. Raises ``StoreError`` when the database cannot be asked: fail closed.
        """
        return self._seen is None or bool(self._watch.version() != self._seen)

    async def snapshot(self) -> PolicyRecord:
        """Read the policy and count it as seen: for the one reader that asks ``revision_changed``."""
        await self._watch.begin()
        version = self._watch.version()  # before reading: a write in between is seen at the next look
        if self._watch.outlived(self._seen, version):
            await self.database.engine.dispose()
        record = await self.policy()
        self._seen = version
        return record

    async def policy(self) -> PolicyRecord:
        """Read the whole policy as it stands at one moment, without counting it as seen: for onlookers."""
        async with self._reading() as connection:
            return PolicyRecord(
                revision=await rows.read_revision(connection),
                topics=await rows.read_topics(connection),
                certificates=await rows.active_certificates(connection),
                backends=await backend_rows.read_backends(connection),
                keys=await key_rows.read_keys(connection),
                verifier_modes=await mode_rows.read_verifier_modes(connection),
            )

    async def topics(self) -> tuple[ForgetTopic, ...]:
        """Return all topics, active or not, in the order of their ids."""
        async with self._reading() as connection:
            return await rows.read_topics(connection)

    async def topic(self, topic_id: str) -> ForgetTopic:
        """Return one topic. Raises ``NotFound``."""
        async with self._reading() as connection:
            return await rows.read_topic(connection, topic_id)

    async def add(self, *topics: ForgetTopic) -> int:
        """Add one topic, or several: all or none. Raises ``Conflict`` for an id taken, or given twice."""
        async with self._writing("topics.add") as (connection, revision):
            await rows.insert_topics(connection, topics, self._clock())
        return revision

    async def replace(self, topic_id: str, topic: ForgetTopic) -> int:
        """Put a topic in place of the one with its id.

        Raises ``NotFound``, or ``InvalidInput`` where the two ids differ.
        """
        if topic.topic.id != topic_id:
            raise InvalidInput("a topic keeps its id; remove it and add it under the new one", param="id")
        async with self._writing("topics.replace") as (connection, revision):
            await rows.change_topic(connection, topic_id, rows.topic_values(topic), self._clock())
        return revision

    async def remove(self, topic_id: str) -> int:
        """Delete a topic. Raises ``NotFound``."""
        async with self._writing("topics.remove") as (connection, revision):
            await rows.remove_topic(connection, topic_id)
        return revision

    async def set_active(self, topic_id: str, active: bool) -> int:
        """Begin or cease to forget a topic. Raises ``NotFound``."""
        return await self.set_mode(topic_id, "enforce" if active else "off")

    async def set_mode(self, topic_id: str, mode: Mode) -> int:
        """Forget a topic, only count what forgetting it would do, or neither. Raises ``NotFound``."""
        async with self._writing("topics.switch") as (connection, revision):
            values = {"active": mode == "enforce", "monitored": mode == "monitor"}
            await rows.change_topic(connection, topic_id, values, self._clock())
        return revision

    async def set_verifier_mode(self, name: str, mode: Mode) -> int:
        """Set a verifier's mode, in every process. Whether it is one that is configured is not known here."""
        async with self._writing("verifiers.switch") as (connection, revision):
            await mode_rows.put_verifier_mode(connection, name, mode)
        return revision

    async def put_certificate(self, certificate_id: str, body: Mapping[str, Any]) -> int:
        """Keep a certificate without activating it; the same one again is no error.

        Raises ``Conflict`` where the id already stands for another body.
        """
        async with self._writing("certificates.put") as (connection, revision):
            await rows.insert_certificate(connection, certificate_id, body, self._clock())
        return revision

    async def activate_certificate(self, certificate_id: str) -> int:
        """Make a certificate the active one of its generator, in place of any other. Raises ``NotFound``."""
        async with self._writing("certificates.activate") as (connection, revision):
            await rows.activate_certificate(connection, certificate_id, self._clock())
        return revision

    async def deactivate_certificate(self) -> int:
        """Leave no certificate active, whatever its generator."""
        async with self._writing("certificates.deactivate") as (connection, revision):
            await rows.deactivate_certificates(connection)
        return revision

    async def roll_back_certificate(self, certificate_id: str) -> tuple[int, str]:
        """Put in force again what was before this one; returns its id as well.

        Raises ``NotFound``, and ``Conflict`` where this one is not in force or none was before.
        """
        async with self._writing("certificates.rollback") as (connection, revision):
            back = await certificate_rows.roll_back(connection, certificate_id)
        return revision, back

    async def certificates(self) -> tuple[KeptCertificate, ...]:
        """Return all certificates, in force or not, the newest first."""
        async with self._reading() as connection:
            return await certificate_rows.read_certificates(connection)

    async def active_certificates(self) -> tuple[dict[str, Any], ...]:
        """Return the active certificates' bodies, at most one for each generator, newest first."""
        async with self._reading() as connection:
            return await rows.active_certificates(connection)

    async def put_backend(self, record: BackendRecord, *, replace: bool = False, keep_topics: bool = False) -> int:
        """Add a backend with its topics; with ``replace``, in place of one that has its name.

        ``keep_topics`` leaves the topics that are routed to that one as they are.

        Raises ``Conflict`` for a name that is taken, ``NotFound`` for a topic that there is not.
        """
        async with self._writing("backends.put") as (connection, revision):
            await backend_rows.put_backend(
                connection, record, self._clock(), replace=replace, keep_topics=keep_topics
            )
        return revision

    async def route_topics(self, name: str, topic_ids: Sequence[str]) -> int:
        """Route exactly these topics to a backend; one that was routed to another moves. Raises ``NotFound``."""
        async with self._writing("backends.route") as (connection, revision):
            await backend_rows.route_topics(connection, name, topic_ids)
        return revision

    async def remove_backend(self, name: str) -> int:
        """Delete a backend; its topics go back to the default model.

        Raises ``NotFound``, and ``Conflict`` while a key is routed to it.
        """
        async with self._writing("backends.remove") as (connection, revision):
            await backend_rows.remove_backend(connection, name)
        return revision

    async def add_key(
        self, name: str, digest: str, backend: str | None = None, limits: KeyLimits = NO_LIMITS
    ) -> int:
        """Keep a client key's digest.

        Raises ``Conflict`` for a name used before, ``NotFound`` for a backend, and ``InvalidInput`` for a
        backend and a list of models together.
        """
        async with self._writing("keys.add") as (connection, revision):
            await key_rows.insert_key(connection, name, digest, backend, limits, self._clock())
        return revision

    async def limit_key(self, name: str, changes: Mapping[str, Any]) -> tuple[int, KeyLimits]:
        """Set some limits of a key from the next request on, and return all that it has then.

        ``changes`` go by the names of ``KeyLimits``'s fields. Raises ``NotFound``, and ``InvalidInput`` for
        models where the key has a backend.
        """
        async with self._writing("keys.limit") as (connection, revision):
            limits = await key_rows.change_limits(connection, name, changes)
        return revision, limits

    async def revoke_key(self, name: str) -> int:
        """Refuse a client key from the next request on. Raises ``NotFound``."""
        async with self._writing("keys.revoke") as (connection, revision):
            await key_rows.revoke_key(connection, name, self._clock())
        return revision

    async def add_key_topic(self, name: str, topic_id: str) -> int:
        """Forget a topic for this key, whether or not it is active for the others. ``NotFound`` for either."""
        async with self._writing("keys.extra") as (connection, revision):
            await key_topic_rows.put_key_topic(connection, name, KeyTopic(topic_id, "extra"))
        return revision

    async def exempt_key(self, name: str, topic_id: str, reason: str) -> int:
        """Exempt a key from a topic. Raises ``NotFound`` for either, ``InvalidInput`` without a reason."""
        if not reason.strip():
            raise InvalidInput("an exemption needs a reason", param="reason")
        async with self._writing("keys.exempt") as (connection, revision):
            await key_topic_rows.put_key_topic(connection, name, KeyTopic(topic_id, "exempt", reason))
        return revision

    async def drop_key_topic(self, name: str, topic_id: str) -> int:
        """End an exemption, or what a key has beyond the others. Raises ``NotFound``."""
        async with self._writing("keys.ordinary") as (connection, revision):
            await key_topic_rows.drop_key_topic(connection, name, topic_id)
        return revision

    async def set_key_fallback(self, name: str, fallback: Fallback | None) -> int:
        """Say what this key's clients read, whatever the topic; None leaves it to the topics. ``NotFound``."""
        async with self._writing("keys.fallback") as (connection, revision):
            await key_topic_rows.put_fallback(connection, name, fallback)
        return revision

    async def admin_keys(self) -> tuple[AdminKey, ...]:
        """Return all admin keys, revoked ones included, by name."""
        async with self._reading() as connection:
            return await admin_rows.read_admin_keys(connection)

    async def add_admin_key(self, name: str, digest: str, role: AdminRole) -> int:
        """Keep an admin key's digest. Raises ``Conflict`` for a name used before."""
        async with self._writing("admins.add") as (connection, revision):
            await admin_rows.insert_admin_key(connection, name, digest, role, self._clock())
        return revision

    async def revoke_admin_key(self, name: str) -> int:
        """Refuse an admin key from the next request on. Raises ``NotFound``."""
        async with self._writing("admins.revoke") as (connection, revision):
            await admin_rows.revoke_admin_key(connection, name, self._clock())
        return revision

    async def audit(self) -> tuple[int, tuple[Chained, ...]]:
        """Return the revision and the whole audit log of the same moment, unverified: see ``chain.checked``."""
        async with self._reading() as connection:
            return await rows.read_revision(connection), await audit_rows.read_chain(connection)

    async def unlogged(self) -> str | None:
        """Name a thing that is not as the audit log says, None where all is: of a log that is whole."""
        async with self._reading() as connection:
            return unlogged(await audit_rows.read_chain(connection), await audit_rows.state(connection))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        async with transaction(self.database, self.database.transactions.reading) as connection:
            yield connection

    @asynccontextmanager
    async def _writing(self, what: str) -> AsyncIterator[tuple[AsyncConnection, int]]:
        """Count the write and log it, in its own transaction: it is in the log, or it was never made."""
        async with transaction(self.database, self.database.transactions.writing) as connection:
            revision = await rows.bump_revision(connection)
            before = await audit_rows.state(connection)
            yield connection, revision
            after = await audit_rows.state(connection)
            write = audit_rows.Write(ACTING.get() or self._who, what, self._clock(), revision)
            await audit_rows.append(connection, write, before, after)
        self._watch.wrote()
