"""Settings that change while the gateway runs: all that did take effect together, or none. Knows no routes."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from starlette.types import Receive, Scope, Send

from gateway.app import create_app
from gateway.errors import InvalidInput
from gateway.limits import Meters
from gateway.parts import reconfigured
from gateway.running import Gateway
from gateway.settings import HOT, Settings
from gateway.threads import apart

__all__ = ["Reloading", "reloading_on_change"]

_LOOK_EVERY_S: Final = 1.0

_Look: TypeAlias = tuple[int, int, int] | None


class Reloading:
    """The gateway's application, which ``reload`` replaces. A request is answered by the one that it came to.

    ``read`` reads all settings anew and raises ``InvalidInput``.
    """

    def __init__(self, parts: Gateway, read: Callable[[], Settings]) -> None:
        self._read = read
        self._meters = Meters(time.monotonic)
        self._changing = asyncio.Lock()
        self.parts = parts
        self._app = create_app(parts, self._meters)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        await self._app(scope, receive, send)

    async def reload(self) -> bool:
        """Serve by the settings as they are now, and say whether that worked.

        Settings that cannot be read, or of which one needs a restart, change nothing: what is in force stays.
        Both are reported, by the settings' names and never their values.
        """
        async with self._changing:
            try:
                settings = await apart(self._read)
                changed = self._changed(settings)
                if changed:
                    parts = reconfigured(self.parts, settings)
                    self._app, self.parts = create_app(parts, self._meters), parts
            except InvalidInput as error:
                self.parts.report("configuration_refused", {"reason": str(error)})
                self.parts.metrics.configuration(in_force=False)
                return False
            self.parts.report("configuration_read", {"changed": changed})
            self.parts.metrics.configuration(in_force=True)
            return True

    def _changed(self, settings: Settings) -> list[str]:
        before = self.parts.settings
        changed = [name for name in Settings.model_fields if getattr(before, name) != getattr(settings, name)]
        if fixed := [name for name in changed if name not in HOT]:
            raise InvalidInput(f"{', '.join(fixed)}: needs a restart; nothing was changed")
        return changed


@asynccontextmanager
async def reloading_on_change(
    app: Reloading, file: Path | None, *, every_s: float = _LOOK_EVERY_S
) -> AsyncIterator[None]:
    """Reload inside the block on SIGHUP, and when ``file`` is another than before. It is looked at ``every_s``."""
    loop, wanted = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, wanted.set)
    working = asyncio.create_task(_reload_when(app, file, wanted, every_s))
    try:
        yield
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        loop.remove_signal_handler(signal.SIGHUP)


async def _reload_when(app: Reloading, file: Path | None, wanted: asyncio.Event, every_s: float) -> None:
    seen = _look(file)
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(wanted.wait(), every_s)
        now = _look(file)
        # A file that is being replaced may be away for a moment.
        if wanted.is_set() or now not in (seen, None):
            wanted.clear()
            seen = now or seen
            await app.reload()


def _look(file: Path | None) -> _Look:
    """Tell one state of a file from another, following links as Kubernetes uses them; None where it is away."""
    if file is None:
        return None
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
