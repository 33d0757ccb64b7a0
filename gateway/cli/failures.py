"""How a command fails: one line on stderr that says what to do, and an exit code. Knows no command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from gateway.errors import InvalidInput, LetheError, NotFound, StoreError, UpstreamError

__all__ = [
    "BAD_INPUT",
    "INTERRUPTED",
    "UNREACHABLE",
    "exit_code",
    "needing_extra",
    "refusing_bad_input",
    "reporting_failures",
    "telling_of_interruption",
]

BAD_INPUT: Final = 2
UNREACHABLE: Final = 3
"""Something is not there, or cannot be reached: a topic, the database, the upstream."""
INTERRUPTED: Final = 130
"""Ctrl-C, as shells number it."""


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


@contextmanager
def refusing_bad_input() -> Iterator[None]:
    """Turn what the unlearners say of bad input (``ValueError``, ``OSError``) into ``InvalidInput``.

    Their errors say what was found and what to do; ``Refused`` is a ``ValueError`` that names the violated
    assumption besides.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        raise InvalidInput(f"{where}{error.strerror or error}") from error
    except ValueError as error:
        raise InvalidInput(str(error)) from error


@contextmanager
def needing_extra(extra: str, what: str) -> Iterator[None]:
    """Turn a failed import inside the block into ``InvalidInput`` naming the optional extra to install."""
    try:
        yield
    except ImportError as error:
        raise InvalidInput(
            f"{what} needs the extra `{extra}`, which is not installed ({error}): "
            f"in the checkout: pip install -c constraints.txt '.[{extra}]'"
        ) from error


@contextmanager
def telling_of_interruption(words: str) -> Iterator[None]:
    """Exit with 130 on Ctrl-C, having said how things stand."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"lethe: {words}", err=True)
        raise typer.Exit(INTERRUPTED) from None
