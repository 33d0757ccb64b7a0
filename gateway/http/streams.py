"""What streams of server-sent events have in common. Knows no dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["KEEP_ALIVE", "STREAM_HEADERS"]

STREAM_HEADERS: Final[Mapping[str, str]] = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""Proxies must neither keep events nor hold them back."""

KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment, which every client passes over."""
