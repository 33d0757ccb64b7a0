"""When a certificate was put in force, so that the one before can be again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. The active ones count as put in force when they were added."""
    op.add_column("certificates", sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True))
    table = sa.table("certificates", sa.column("active"), sa.column("added_at"), sa.column("activated_at"))
    op.execute(table.update().where(table.c.active == sa.true()).values(activated_at=table.c.added_at))


def downgrade() -> None:
    """Undo ``upgrade``."""
    with op.batch_alter_table("certificates") as table:
        table.drop_column("activated_at")
