"""Private topics, of which only keyed hashes are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a topic without it is a plain one, as all were."""
    op.add_column("topics", sa.Column("private", sa.JSON, nullable=True))


def downgrade() -> None:
    """Undo ``upgrade``. Private topics are gone, and with them nothing that anybody could read."""
    op.execute("DELETE FROM topics WHERE private IS NOT NULL")
    op.drop_column("topics", "private")
