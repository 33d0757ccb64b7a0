"""The tables, as SQLAlchemy sees them. Migrations make them; this module only describes the newest shape."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    true,
)

__all__ = ["certificates", "metadata", "policy", "topics"]

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
)

certificates = Table(
    "certificates",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("body", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
)
"""At most one is active; the index below holds that even against a program that is not Lethe."""

Index(
    "one_active_certificate",
    certificates.c.active,
    unique=True,
    sqlite_where=certificates.c.active == true(),
    postgresql_where=certificates.c.active == true(),
)

policy = Table(
    "policy",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="one_policy"), primary_key=True),
    Column("revision", Integer, nullable=False),
)
"""A single row. Every write to the other tables adds one to ``revision`` in the same transaction."""
