"""Events of a running gateway, one JSON object a line. Never the content of a conversation, never a secret."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
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
        structlog.WriteLogger(sys.stderr), processors=[_line]
    ).bind()  # once for all events
    return lambda event, fields: log.info(event, **fields)


def _line(logger: object, level: str, event: MutableMapping[str, object]) -> str:
    """Write an event with its level and time. In one step, since every answer is one."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    said = {**event, "level": level, "timestamp": now}
    try:
        return orjson.dumps(said, default=repr).decode()
    except TypeError:  # such as half a character, or a number of more than 64 bits
        return json.dumps(said, default=repr)
