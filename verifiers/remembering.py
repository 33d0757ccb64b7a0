"""What was found in a text, remembered by the text's digest. Knows neither texts nor what was found."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final, Generic, TypeVar

__all__ = ["Remembered"]

_DIGEST_BYTES: Final = 32

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Remembered(Generic[K, T]):
    """Calls ``find`` once for each text and what is ``beside`` it, and remembers the latest ``most`` results.

    Keeps no text: a conversation is known again by its digest, in its next round, segment or verifier. ``find``
    must depend on nothing else, and nobody may change what it returned. Safe between threads; two that ask at once
    may both look.
    """

    __slots__ = ("_find", "_found", "_lock", "_most")

    def __init__(self, find: Callable[[str, K], T], *, most: int) -> None:
        self._find = find
        self._most = most
        self._found: OrderedDict[tuple[bytes, K], T] = OrderedDict()
        self._lock = Lock()

    def __call__(self, text: str, beside: K) -> T:
        """Give what is found in the text."""
        key = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest(), beside)
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        found = self._find(text, beside)
        with self._lock:
            self._found[key] = found
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return found
