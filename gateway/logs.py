"""Events of a running gateway, one JSON object a line. Never the content of a conversation, never a secret."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

import orjson
import structlog

__all__ = ["Report", "keep_silent", "log_events"]

Report: TypeAlias = Callable[[str, Mapping[str, object]], None]
"""Told of an event and its fields, none of which quotes a conversation."""


def keep_silent(event: str, fields: Mapping[str, object]) -> None:
    """Report to nobody."""


def log_events() -> Report:
    """Make a function that writes events to standard error."""
    log = structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_written),
        ],
    ).bind()  # once, and not at every event
    return lambda event, fields: log.info(event, **fields)


def _written(event: Mapping[str, object], *, default: Callable[[object], object]) -> str:
    try:
        return orjson.dumps(event, default=default).decode()
    except TypeError:  # such as half a character, or a number of more than 64 bits
        return json.dumps(event, default=default)
