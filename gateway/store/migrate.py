"""Bringing a database to the newest schema, or refusing one that is not ours. Knows no topics."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from gateway.errors import StoreError

__all__ = ["check_whole", "upgrade"]

_MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(connection: Connection, path: Path) -> None:
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
    _require_ours(connection, script, current, path)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _require_ours(connection: Connection, script: ScriptDirectory, current: str | None, path: Path) -> None:
    if current is None:
        if inspect(connection).get_table_names():
            raise StoreError(f"the database {path} belongs to another program; name another file")
        return
    if current not in {revision.revision for revision in script.walk_revisions()}:
        raise StoreError(
            f"the database {path} was written by a newer Lethe (schema {current}); upgrade Lethe to use it"
        )


def check_whole(connection: Connection, path: Path) -> None:
    """Read every page once, so that damage is found now and not at some request. Raises ``StoreError``."""
    verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    if verdict != "ok":
        raise StoreError(f"the database {path} is damaged; put back a whole copy")
