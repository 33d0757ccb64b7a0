"""Numbers of things, as a sentence says them. Knows nothing else."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["counted", "named"]

SHOWN = 3


def counted(number: int, noun: str) -> str:
    """Return "1 row" or "2 rows"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def named(names: Sequence[str]) -> str:
    """Quote the first few names, and say how many more there are."""
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"
