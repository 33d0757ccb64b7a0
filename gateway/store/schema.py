"""The tables, as SQLAlchemy sees them. Migrations make them; this module only describes the newest shape."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    true,
)

__all__ = [
    "admin_keys",
    "audit",
    "backends",
    "calibration_lines",
    "calibrations",
    "certificates",
    "client_keys",
    "key_topics",
    "metadata",
    "policy",
    "replicas",
    "routes",
    "topics",
    "verifier_modes",
]

metadata = MetaData()

topics = Table(
    "topics",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("aliases", JSON, nullable=False),
    Column("description", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("protected_texts", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("fallback_style", String(16), nullable=False),
    Column("fallback_text", Text, nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("private", JSON(none_as_null=True), nullable=True),
    Column("monitored", Boolean, nullable=False, server_default=false()),
    Column("metrics_id", String(16), nullable=False, server_default=""),
)
"""``private`` holds the hashes of a private topic, with their key's check value; its other texts are empty.

``metrics_id`` is drawn at random and says nothing of the topic."""

verifier_modes = Table(
    "verifier_modes",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("mode", String(8), nullable=False),
)
"""Only the modes that somebody set; a verifier that is not here has the one that the settings give it."""

certificates = Table(
    "certificates",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("body", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    Column("generator", String(64), nullable=False, server_default=""),
    Column("activated_at", DateTime(timezone=True), nullable=True),
)
"""At most one for each generator is active; the index below holds that even against another program."""

Index(
    "one_active_certificate_a_generator",
    certificates.c.generator,
    unique=True,
    sqlite_where=certificates.c.active == true(),
    postgresql_where=certificates.c.active == true(),
)

backends = Table(
    "backends",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("model_dir", Text, nullable=True),
    Column("url", Text, nullable=True),
    Column("model", Text, nullable=True),
    Column("key_env", String(128), nullable=True),
    Column("fingerprint", String(64), nullable=False),
    Column("unlearning", JSON, nullable=True),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("(model_dir IS NULL) <> (url IS NULL)", name="one_place"),
)
"""``key_env`` is the name of an environment variable; no key of an upstream is ever stored."""

routes = Table(
    "routes",
    metadata,
    Column("topic_id", String(64), ForeignKey("topics.id", ondelete="CASCADE"), primary_key=True),
    Column("backend", String(128), ForeignKey("backends.name", ondelete="CASCADE"), nullable=False),
)
"""A topic is routed to one backend at most, and its route goes with either."""

client_keys = Table(
    "client_keys",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("backend", String(128), ForeignKey("backends.name"), nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True), nullable=True),
    Column("models", JSON(none_as_null=True), nullable=True),
    Column("requests_per_minute", Integer, nullable=True),
    Column("tokens_per_minute", Integer, nullable=True),
    Column("concurrent", Integer, nullable=True),
    Column("fallback_style", String(16), nullable=True),
    Column("fallback_text", Text, nullable=True),
)
"""Revoked keys stay: as long as there ever was one, a client must send one. A limit that is NULL is none."""

admin_keys = Table(
    "admin_keys",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("revoked_at", DateTime(timezone=True), nullable=True),
)
"""Whom the admin API obeys, beside LETHE_ADMIN_KEY."""

key_topics = Table(
    "key_topics",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("key", String(128), ForeignKey("client_keys.name", ondelete="CASCADE"), nullable=False),
    Column("topic_id", String(64), ForeignKey("topics.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("reason", Text, nullable=False),
)
"""A topic that is forgotten for one key alone, or from which one key is exempt. ``id`` is that of the topic and of
the key, with a blank between, which no topic's id holds."""

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("entry", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)
"""Rows are only ever added, and each is bound to the one before (see ``chain``); triggers refuse all else."""

policy = Table(
    "policy",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_policy"), primary_key=True),
    Column("revision", Integer, nullable=False),
)
"""A single row. Every write to the other tables adds one to ``revision`` in the same transaction."""

replicas = Table(
    "replicas",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
)
"""Who serves, by which revision; said every second where a server is shared, and of no revision itself."""

calibrations = Table(
    "calibrations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("wish", JSON, nullable=False),
    Column("prompts", Text, nullable=True),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("certificate", String(128), nullable=True),
    Column("asked_by", String(160), nullable=False),
    Column("owner", String(200), nullable=True),
    Column("held_until", DateTime(timezone=True), nullable=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
"""Jobs. Asking for one and cancelling one make a revision, what a process does at it none. ``prompts`` is NULL
once a job has ended: they are sensitive. Until ``held_until`` nobody but ``owner`` may work at it; without an
owner, nobody at all."""

calibration_lines = Table(
    "calibration_lines",
    metadata,
    Column("job", String(32), ForeignKey("calibrations.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("line", Text, nullable=False),
)
"""The lines of a job's trajectories file so far, in their order. They hold answers, among them what is to be
forgotten; they go when the job ends."""
