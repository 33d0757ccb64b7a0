"""A command's way to the database: open it, do one thing, close it. Knows no command."""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from calibration.certificate import Certificate
from gateway.certificates import certificate_kept, read_certificate
from gateway.settings_reading import read_settings
from gateway.store.store import Store

__all__ = ["CertificateDatabase", "Database", "certificate_named", "cli_user", "in_store", "with_store"]

T = TypeVar("T")

_ID: Final = re.compile(r"[0-9a-f]{16}")

Database = Annotated[
    str | None, typer.Option("--database", help="Where the topics are kept. Default: the setting LETHE_DATABASE.")
]

CertificateDatabase = Annotated[
    str | None, typer.Option("--database", help="Where topics and certificates are kept.")
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


def in_store(named: Path) -> bool:
    """Say whether this is the id of a certificate rather than a file: a file of such a name comes first."""
    return _ID.fullmatch(str(named)) is not None and not named.exists()


def certificate_named(named: Path, database: str | None) -> Certificate:
    """Read the certificate of a file, or of the database by its id. Raises ``InvalidInput`` and ``NotFound``."""
    if in_store(named):
        return with_store(database, lambda store: certificate_kept(store, str(named)))
    return read_certificate(named)
