"""`lethe verifiers list` and `mode`: each command parses, calls one function, prints."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.settings_reading import read_settings
from gateway.store.records import Mode
from gateway.store.store import Store
from gateway.verifier_modes import modes_in_force, require_applicable

__all__ = ["ModeName", "list_command", "mode_command"]


class ModeName(StrEnum):
    """What is done."""

    OFF = "off"
    MONITOR = "monitor"
    ENFORCE = "enforce"

    @property
    def wanted(self) -> Mode:
        """The mode as the store calls it."""
        return self.value


@reporting_failures()
def list_command(database: Database = None) -> None:
    """List the configured verifiers with their modes."""
    given = with_store(database, lambda store: store.policy()).verifier_modes
    for name, mode in sorted(modes_in_force(read_settings(), given).items()):
        typer.echo(f"{name}: {mode}")


@reporting_failures()
def mode_command(
    name: Annotated[str, typer.Argument(help="The verifier, as the settings call it.")],
    mode: Annotated[ModeName, typer.Argument(help="What is done with what it finds.")],
    database: Database = None,
) -> None:
    """Set a verifier's mode, for every process from its next request on. A certificate is about one set of them.

    Needs the LETHE_… variables of `lethe serve`, which say which verifiers there are.
    """
    settings, wanted = read_settings(database=database), mode.wanted

    async def write(store: Store) -> int:
        require_applicable(settings, (await store.policy()).verifier_modes, name, wanted)
        return await store.set_verifier_mode(name, wanted)

    revision = with_store(database, write)
    typer.echo(f"{name}: {wanted}\nrevision {revision}")
