"""Backends, the topics and client keys routed to them, and one active certificate for each generator."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the new tables, and read each certificate's generator out of its body."""
    _make_backends()
    with op.batch_alter_table("certificates") as table:
        table.drop_index("one_active_certificate")
        table.add_column(sa.Column("generator", sa.String(64), nullable=False, server_default=""))
    certificates = sa.table(
        "certificates",
        sa.column("id", sa.String),
        sa.column("body", sa.JSON),
        sa.column("active", sa.Boolean),
        sa.column("generator", sa.String),
    )
    connection = op.get_bind()
    for id_, body in connection.execute(sa.select(certificates.c.id, certificates.c.body)).all():
        named = certificates.update().where(certificates.c.id == id_).values(generator=_generator(body))
        connection.execute(named)
    op.create_index(
        "one_active_certificate_a_generator",
        "certificates",
        ["generator"],
        unique=True,
        sqlite_where=certificates.c.active == sa.true(),
        postgresql_where=certificates.c.active == sa.true(),
    )


def _make_backends() -> None:
    op.create_table(
        "backends",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("model_dir", sa.Text, nullable=True),
        sa.Column("url", sa.Text, nullable=True),
        sa.Column("model", sa.Text, nullable=True),
        sa.Column("key_env", sa.String(128), nullable=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("unlearning", sa.JSON, nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(model_dir IS NULL) <> (url IS NULL)", name="one_place"),
    )
    op.create_table(
        "routes",
        sa.Column("topic_id", sa.String(64), sa.ForeignKey("topics.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("backend", sa.String(128), sa.ForeignKey("backends.name", ondelete="CASCADE"), nullable=False),
    )
    op.create_table(
        "client_keys",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("backend", sa.String(128), sa.ForeignKey("backends.name"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
    )


def _generator(body: object) -> str:
    bindings = body.get("bindings") if isinstance(body, dict) else None
    generator = bindings.get("generator") if isinstance(bindings, dict) else None
    return generator if isinstance(generator, str) else ""


def downgrade() -> None:
    """Undo ``upgrade``. Leaves no certificate active: more than one may have been."""
    op.execute("UPDATE certificates SET active = false")
    op.drop_index("one_active_certificate_a_generator", "certificates")
    with op.batch_alter_table("certificates") as table:
        table.drop_column("generator")
    active = sa.column("active", sa.Boolean) == sa.true()
    op.create_index(
        "one_active_certificate",
        "certificates",
        ["active"],
        unique=True,
        sqlite_where=active,
        postgresql_where=active,
    )
    for table_name in ("client_keys", "routes", "backends"):
        op.drop_table(table_name)
