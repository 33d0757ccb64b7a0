"""An answer in the writing: what of it can be told already, and word of it across threads. Knows no model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.errors import UpstreamGarbage

__all__ = ["News", "Pieces"]

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class Pieces:
    """Cuts an answer in the writing into pieces that join to the whole.

    Whatever could still turn out otherwise stays back: a last character that lacks some of its bytes, and an end
    in which a stop text could have begun. The tokens are decoded from the first each time: pieces that are
    decoded apart need not join.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: Sequence[str] = ()) -> None:
        self._decode = decode
        self._back = max(map(len, stop), default=1) - 1
        self._told = ""

    def more(self, written: Sequence[int]) -> str:
        """Give what can be told beyond what has been, perhaps nothing."""
        text = self._decode(written).rstrip(_UNFINISHED)
        text = text[: max(0, len(text) - self._back)]
        return self._new(text) if text.startswith(self._told) else ""

    def rest(self, whole: str) -> str:
        """Give what is left to tell. Raises ``UpstreamGarbage`` where the whole begins otherwise than was told."""
        if not whole.startswith(self._told):
            raise UpstreamGarbage("the model's tokenizer decodes the whole answer otherwise than its beginning")
        return self._new(whole)

    def _new(self, text: str) -> str:
        new = text[len(self._told) :]
        self._told = text
        return new


class News:
    """Word from the thread that writes to the loop that waits: how many tokens there are by now.

    To be made in that loop, which may miss a number, but not the last before it waits.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._come = asyncio.Event()
        self._count = 0

    def tell(self, count: int) -> None:
        """Say it, from any thread, without waiting."""
        self._count = count
        with suppress(RuntimeError):  # the loop has closed, and nobody waits any more
            self._loop.call_soon_threadsafe(self._come.set)

    async def next(self, done: asyncio.Future[None]) -> int | None:
        """Wait for it. None once all is written, or failed: ``done`` is what knows."""
        done.add_done_callback(self._over)
        await self._come.wait()
        done.remove_done_callback(self._over)
        self._come.clear()
        return None if done.done() else self._count

    def _over(self, _: asyncio.Future[None]) -> None:
        self._come.set()
