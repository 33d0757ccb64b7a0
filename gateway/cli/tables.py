"""Printing a table: as wide as it needs where nobody's terminal bounds it. Knows no command."""

from __future__ import annotations

from rich.console import Console, RenderableType

__all__ = ["print_table"]


def print_table(shown: RenderableType) -> None:
    """Print to standard output; a pipe gets lines as long as they need."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=1_000)
    console.print(shown)
