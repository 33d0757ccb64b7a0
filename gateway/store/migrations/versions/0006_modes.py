"""Topics and verifiers that are only monitored, and names for topics that metrics may tell."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns and the table; what was forgotten still is, and nothing is monitored."""
    op.add_column("topics", sa.Column("monitored", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("topics", sa.Column("metrics_id", sa.String(16), nullable=False, server_default=""))
    topics = sa.table("topics", sa.column("id", sa.String), sa.column("metrics_id", sa.String))
    connection = op.get_bind()
    for id_ in connection.execute(sa.select(topics.c.id)).scalars().all():
        named = topics.update().where(topics.c.id == id_).values(metrics_id=secrets.token_hex(6))
        connection.execute(named)
    op.create_table(
        "verifier_modes",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("mode", sa.String(8), nullable=False),
    )


def downgrade() -> None:
    """Undo ``upgrade``. What was monitored is off."""
    op.drop_table("verifier_modes")
    with op.batch_alter_table("topics") as table:
        table.drop_column("metrics_id")
        table.drop_column("monitored")
