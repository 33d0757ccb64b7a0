"""The audit log, which begins with the revision that it found."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, its first row, and the triggers that let nobody change one."""
    audit = op.create_table(
        "audit",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
    )
    connection = op.get_bind()
    at = connection.execute(sa.text("SELECT revision FROM policy")).scalar_one()
    op.bulk_insert(audit, [_first_row(int(at))])
    if connection.dialect.name == "sqlite":
        for event in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_keeps_on_{event.lower()} BEFORE {event} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit log can only grow'); END"
            )


def _first_row(at_revision: int) -> dict[str, object]:
    """Spell the row as ``gateway.store.chain`` does now: a migration must not change when that does."""
    entry = {
        "number": 1,
        "revision": at_revision,
        "at": datetime.now(UTC).isoformat(),
        "who": "lethe",
        "what": "audit.begin",
        "subject": "",
        "changed": [],
        "before": None,
        "after": None,
    }
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    previous = "0" * 64
    digest = hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
    return {"number": 1, "entry": text, "previous": previous, "hash": digest}


def downgrade() -> None:
    """Undo ``upgrade``. The log is gone."""
    op.drop_table("audit")
