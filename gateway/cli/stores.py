"""A command's way to the database: open it, do one thing, close it. Knows no command."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from gateway.settings_reading import read_settings
from gateway.store.store import Store

__all__ = ["Database", "cli_user", "with_store"]

T = TypeVar("T")

Database = Annotated[
    str | None, typer.Option("--database", help="Where the topics are kept. Default: the setting LETHE_DATABASE.")
]


def with_store(database: str | None, action: Callable[[Store], Awaitable[T]], *, create: bool = False) -> T:
    """Run the action on the open store. Raises ``StoreError`` where there is none and ``create`` is not set."""
    where = read_settings(database=database).database

    async def act() -> T:
        store = await Store.open(where, create=create, who=cli_user())
        try:
            return await action(store)
        finally:
            await store.aclose()

    return asyncio.run(act())


def cli_user() -> str:
    """Name whoever runs the command, for the audit log: as the environment says it, which is no proof."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user without a name, as in some containers
        return "cli:unknown"
