"""How a command fails: one line on stderr that says what to do, and an exit code. Knows no command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from gateway.errors import LetheError, NotFound, StoreError, UpstreamError

__all__ = ["BAD_INPUT", "UNREACHABLE", "exit_code", "reporting_failures"]

BAD_INPUT: Final = 2
UNREACHABLE: Final = 3
"""Something is not there, or cannot be reached: a topic, the database, the upstream."""


def exit_code(error: LetheError) -> int:
    """Return 3 for what is not there or cannot be reached, 2 for everything else."""
    return UNREACHABLE if isinstance(error, NotFound | StoreError | UpstreamError) else BAD_INPUT


@contextmanager
def reporting_failures() -> Iterator[None]:
    """Print a ``LetheError`` as one line ``lethe: …`` on stderr and exit. For ``with``, or as a decorator."""
    try:
        yield
    except LetheError as error:
        typer.echo("lethe: " + " ".join(str(error).split()), err=True)
        raise typer.Exit(exit_code(error)) from None
