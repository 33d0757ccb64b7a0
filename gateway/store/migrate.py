"""Bringing a database to the newest schema, or refusing one that is not ours. Knows no topics."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from gateway.errors import StoreError

__all__ = ["upgrade"]

_MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(connection: Connection, shown: str) -> None:
    """Create or upgrade the tables in the connection's open transaction: all of it, or nothing.

    Raises ``StoreError`` for a database of a newer Lethe, and for one that another program made.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == script.get_current_head():
        return
    _require_ours(connection, script, current, shown)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _require_ours(connection: Connection, script: ScriptDirectory, current: str | None, shown: str) -> None:
    if current is None:
        if inspect(connection).get_table_names():
            raise StoreError(f"the database {shown} belongs to another program; name another database")
        return
    if current not in {revision.revision for revision in script.walk_revisions()}:
        raise StoreError(
            f"the database {shown} was written by a newer Lethe (schema {current}); upgrade Lethe to use it"
        )
