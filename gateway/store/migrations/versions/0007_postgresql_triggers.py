"""What PostgreSQL does by itself: it tells everybody of a change, and lets nobody change the audit log."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

POLICY = ("topics", "certificates", "backends", "routes", "client_keys", "verifier_modes", "policy")


def upgrade() -> None:
    """Make the triggers. SQLite needs none of the first kind, and has those of the second."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE FUNCTION lethe_policy_changed() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_notify('lethe_policy', ''); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE FUNCTION lethe_audit_keeps() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log can only grow' USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$"
    )
    for table in POLICY:
        op.execute(
            f"CREATE TRIGGER {table}_tell AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION lethe_policy_changed()"
        )
    op.execute(
        "CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION lethe_audit_keeps()"
    )


def downgrade() -> None:
    """Undo ``upgrade``."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in POLICY:
        op.execute(f"DROP TRIGGER {table}_tell ON {table}")
    op.execute("DROP TRIGGER audit_keeps ON audit")
    op.execute("DROP FUNCTION lethe_policy_changed()")
    op.execute("DROP FUNCTION lethe_audit_keeps()")
