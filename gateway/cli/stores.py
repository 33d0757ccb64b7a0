"""A command's way to the database: open it, do one thing, close it. Knows no command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from gateway.settings import read_settings
from gateway.store.store import Store

__all__ = ["Database", "with_store"]

T = TypeVar("T")

Database = Annotated[
    str | None, typer.Option("--database", help="Where the topics are kept. Default: the setting LETHE_DATABASE.")
]


def with_store(database: str | None, action: Callable[[Store], Awaitable[T]], *, create: bool = False) -> T:
    """Run the action on the open store. Raises ``StoreError`` where there is none and ``create`` is not set."""
    where = read_settings(database=database).database

    async def act() -> T:
        store = await Store.open(where, create=create)
        try:
            return await action(store)
        finally:
            await store.aclose()

    return asyncio.run(act())
