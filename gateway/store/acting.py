"""Who is writing, where one store serves several people: kept beside the request, for the audit log."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

__all__ = ["ACTING"]

# A context variable, so that no route has to pass the name on, and none can forget to.
ACTING: Final[ContextVar[str | None]] = ContextVar("lethe_acting", default=None)
"""The name for the log; None where the store's own says it."""
