"""Structured logs, one JSON object a line on standard error. Never the content of a conversation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import structlog

__all__ = ["log_events"]


def log_events() -> Callable[[str, Mapping[str, object]], None]:
    """Make a function that logs an event with its fields."""
    log = structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
    return lambda event, fields: log.info(event, **fields)
