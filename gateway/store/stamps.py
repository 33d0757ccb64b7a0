"""Times as the databases keep them. Knows no tables."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["in_utc"]


def in_utc(stamp: datetime) -> datetime:
    """Say of a stamp what every one here is: SQLite keeps no time zones."""
    return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp
