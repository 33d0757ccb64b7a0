"""Topics of which a key has more or less than the others, and a key's own fallback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table and the columns; the keys that are there have the topics of everybody."""
    op.create_table(
        "key_topics",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("key", sa.String(128), sa.ForeignKey("client_keys.name", ondelete="CASCADE"), nullable=False),
        sa.Column("topic_id", sa.String(64), sa.ForeignKey("topics.id", ondelete="CASCADE"), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.add_column("client_keys", sa.Column("fallback_style", sa.String(16), nullable=True))
    op.add_column("client_keys", sa.Column("fallback_text", sa.Text, nullable=True))


def downgrade() -> None:
    """Undo ``upgrade``. Nobody is exempt, and no key has more than the others."""
    with op.batch_alter_table("client_keys") as table:
        table.drop_column("fallback_text")
        table.drop_column("fallback_style")
    op.drop_table("key_topics")
