"""A replica's word to the others, through their database: by which revision it serves. Knows no HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

from gateway.errors import StoreError
from gateway.store.records import ReplicaRecord
from gateway.store.store import Store

__all__ = ["Follow", "own_name", "saying_so"]

_EVERY_S: Final = 1.0

Follow: TypeAlias = Callable[[], Awaitable[int]]
"""Bring this process to the newest policy, and give its revision. Raises ``StoreError``."""


def own_name() -> str:
    """Name this process among all that may share a database: by its machine or container, and its number."""
    return f"{socket.gethostname()}:{os.getpid()}"


@asynccontextmanager
async def saying_so(store: Store, follow: Follow, *, name: str, version: str) -> AsyncIterator[None]:
    """Follow the policy inside the block even where nobody asks, and tell the others, every second.

    Says nothing in a file's database: each process asks the file at each request and cannot be behind. While the
    database is away it is silent; what is served then is decided elsewhere.
    """
    if not store.shared:
        yield
        return
    telling = asyncio.create_task(_tell(store, follow, name, version))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        with suppress(StoreError):
            await store.leave(name)


async def _tell(store: Store, follow: Follow, name: str, version: str) -> None:
    while True:
        with suppress(StoreError):
            await store.say_present(ReplicaRecord(name, version, await follow()))
        await asyncio.sleep(_EVERY_S)
