"""What runs in a process of a cluster: opens what it is sent, once, and does items. Knows no Ray and no work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from gateway.engines.build import Build, this_build
from gateway.engines.protocol import Portable
from gateway.errors import InvalidInput, LetheError, UpstreamError

__all__ = ["Failed", "RemoteWorker"]


@dataclass(frozen=True, slots=True)
class Failed:
    """How an item, or the opening, failed. ``ours`` says that the input is wrong, and not the model."""

    ours: bool
    message: str

    def error(self, whose: str = "") -> LetheError:
        """Make an error of it again, beginning with ``whose``."""
        words = whose + self.message
        return InvalidInput(words) if self.ours else UpstreamError(words)


class RemoteWorker:
    """One process that works. Returns failures: what it raised would stand in the cluster's logs."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._do: Callable[[Any], Awaitable[Any]] | None = None

    async def build(self) -> Build:
        """Say what it computes with, before it is told anything."""
        return this_build()

    async def open(self, portable: Portable[Any, Any]) -> Failed | None:
        """Make ready. The parts stay open as long as the process lives."""
        try:
            self._do = await self._stack.enter_async_context(portable.opened())
        except Exception as error:
            return _failed(error)
        return None

    async def do(self, item: Any) -> Any:
        """Do one item; gives what that gives, or ``Failed``."""
        if self._do is None:
            return Failed(False, "a worker was asked before it was ready")
        try:
            return await self._do(item)
        except Exception as error:
            return _failed(error)


def _failed(error: Exception) -> Failed:
    """Keep the words of what was raised on purpose: any other's may quote a conversation."""
    if isinstance(error, LetheError):
        return Failed(isinstance(error, InvalidInput), str(error))
    return Failed(False, f"a worker failed unexpectedly: {type(error).__name__}")
