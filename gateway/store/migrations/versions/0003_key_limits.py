"""What a client key may ask, and how much."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the limits; the keys that are there have none."""
    op.add_column("client_keys", sa.Column("models", sa.JSON, nullable=True))
    for limit in ("requests_per_minute", "tokens_per_minute", "concurrent"):
        op.add_column("client_keys", sa.Column(limit, sa.Integer, nullable=True))


def downgrade() -> None:
    """Undo ``upgrade``. Keys are unlimited again."""
    with op.batch_alter_table("client_keys") as table:
        for limit in ("concurrent", "tokens_per_minute", "requests_per_minute", "models"):
            table.drop_column(limit)
