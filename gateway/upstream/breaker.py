"""A circuit breaker: a server that keeps failing is left alone for a while. Knows no servers and no requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

__all__ = ["Breaker", "BreakerState"]

BreakerState: TypeAlias = Literal["closed", "half-open", "open"]


class Breaker:
    """Opens after ``failures`` in a row; after ``pause_s`` lets one request through, whose end decides.

    ``clock`` gives seconds and never goes back. What is admitted has to end in exactly one of ``succeeded``,
    ``failed`` and ``undecided``.
    """

    def __init__(self, failures: int, pause_s: float, clock: Callable[[], float]) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._clock = clock
        self._failures = 0
        self._opened: float | None = None
        self._trying = False

    @property
    def state(self) -> BreakerState:
        """``half-open``: the pause is over, and no request has yet shown how the server does."""
        if self._opened is None:
            return "closed"
        return "open" if self.wait_s > 0 else "half-open"

    @property
    def wait_s(self) -> float:
        """Say how long nobody is let through."""
        return 0.0 if self._opened is None else max(0.0, self._opened + self._pause_s - self._clock())

    @property
    def admits(self) -> bool:
        """Say whether a request would be let through now."""
        return self._opened is None or (not self._trying and self.wait_s == 0)

    def enter(self) -> None:
        """Count a request that is let through."""
        self._trying = self._opened is not None

    def succeeded(self) -> None:
        """The server answered, if only to refuse the request: it is there."""
        self._failures, self._opened, self._trying = 0, None, False

    def failed(self) -> None:
        """The server did not answer as it should."""
        self._failures += 1
        # A failure of a request from before the opening must not prolong the pause, nor end somebody's try.
        if self._opened is None and self._failures >= self._most:
            self._opened = self._clock()
        elif self._trying:
            self._opened, self._trying = self._clock(), False

    def undecided(self) -> None:
        """The request ended without showing anything, as when its client went away."""
        self._trying = False
