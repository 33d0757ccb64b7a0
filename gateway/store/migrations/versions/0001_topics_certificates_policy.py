"""Topics, certificates and the policy's revision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first three tables, and the policy's single row."""
    op.create_table(
        "topics",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("aliases", sa.JSON, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("protected_texts", sa.JSON, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("fallback_style", sa.String(16), nullable=False),
        sa.Column("fallback_text", sa.Text, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    certificates = op.create_table(
        "certificates",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(
        "one_active_certificate",
        "certificates",
        ["active"],
        unique=True,
        sqlite_where=certificates.c.active == sa.true(),
        postgresql_where=certificates.c.active == sa.true(),
    )
    policy = op.create_table(
        "policy",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="one_policy"), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.bulk_insert(policy, [{"id": 1, "revision": 0}])


def downgrade() -> None:
    """Undo ``upgrade``."""
    for table in ("policy", "certificates", "topics"):
        op.drop_table(table)
