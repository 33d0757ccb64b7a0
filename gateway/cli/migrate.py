"""`lethe migrate`: bring the database to this version's schema."""

from __future__ import annotations

import typer

from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.store.store import Store

__all__ = ["migrate_command"]


def migrate_command(database: Database = None) -> None:
    """Make the database's tables, or bring them to this version's schema. Again, it does nothing."""
    with reporting_failures():
        topics = with_store(database, _count, create=True)
        typer.echo(f"the database is of this version; it holds {topics} topic{'' if topics == 1 else 's'}")


async def _count(store: Store) -> int:
    return len(await store.topics())
