"""How much each client key may ask: token buckets and a count of what is running. Knows no HTTP, no database.

It counts in the memory of one process: N workers allow N times as much (docs/keys.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.clients import Client
from gateway.errors import RateLimited
from gateway.store.records import KeyLimits

__all__ = ["Bucket", "Meters", "Standing"]

_BUSY_RETRY_S: Final = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What a bucket of ``limit`` a minute holds now, and in how many seconds it is full again."""

    limit: int
    remaining: int
    full_in_s: float


class Bucket:
    """Fills at ``per_minute`` a minute, up to ``per_minute``, with which it begins.

    So one minute may see twice as much: what had been saved, and what came in meanwhile. What is spent beyond
    its contents is owed. ``clock`` gives seconds and never goes back.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._limit = per_minute
        self._clock = clock
        self._level = float(per_minute)
        self._seen = clock()

    def wait_s(self, amount: int = 1) -> float:
        """Say in how many seconds it will hold this much; 0 where it does."""
        return max(0.0, (amount - self._filled()) * 60 / self._limit)

    def spend(self, amount: int) -> None:
        """Take this much out, whether it is there or not."""
        self._level = self._filled() - amount

    @property
    def standing(self) -> Standing:
        """What it holds now, in whole units, rounded down."""
        level = self._filled()
        return Standing(self._limit, max(0, math.floor(level)), (self._limit - level) * 60 / self._limit)

    def _filled(self) -> float:
        now = self._clock()
        self._level = min(float(self._limit), self._level + (now - self._seen) * self._limit / 60)
        self._seen = now
        return self._level


class _Meter:
    """One key's buckets, and how many of its requests are running."""

    def __init__(self, limits: KeyLimits, clock: Callable[[], float], running: int) -> None:
        self.limits = limits
        self.requests = _bucket(limits.requests_per_minute, clock)
        self.tokens = _bucket(limits.tokens_per_minute, clock)
        self.running = running


class Meters:
    """A meter for each key. New limits begin with full buckets; what is running still counts.

    A request that is refused costs nothing. Tokens are known only when they are spent, so one answer may go
    beyond what is left: the next requests wait until it is paid off.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._meters: dict[str, _Meter] = {}

    def enter(self, client: Client) -> None:
        """Let one request in, or raise ``RateLimited``. Each that got in has to ``leave``."""
        if client.key is None:
            return
        meter = self._meter(client.key, client.limits)
        most = client.limits.concurrent
        if most is not None and meter.running >= most:
            raise RateLimited(f"this key may have {most} requests at one time", retry_after_s=_BUSY_RETRY_S)
        for bucket, what in ((meter.requests, "requests"), (meter.tokens, "tokens")):
            if bucket is not None and (wait_s := bucket.wait_s()) > 0:
                words = f"this key may have {bucket.standing.limit} {what} a minute"
                raise RateLimited(words, retry_after_s=math.ceil(wait_s))
        if meter.requests is not None:
            meter.requests.spend(1)
        meter.running += 1

    def leave(self, client: Client) -> None:
        """Count a request that was let in as done, however it ended."""
        if client.key is not None:
            self._meters[client.key].running -= 1  # ``enter`` made it, and none is ever dropped

    def spend(self, client: Client, tokens: int) -> None:
        """Charge an answer's tokens."""
        meter = None if client.key is None else self._meters.get(client.key)
        if meter is not None and meter.tokens is not None:
            meter.tokens.spend(tokens)

    def standing(self, client: Client) -> Mapping[str, Standing]:
        """Say how the key's buckets stand, by "requests" and "tokens"; no entry where there is no limit."""
        meter = None if client.key is None else self._meters.get(client.key)
        if meter is None:
            return {}
        both = {"requests": meter.requests, "tokens": meter.tokens}
        return {what: bucket.standing for what, bucket in both.items() if bucket is not None}

    def _meter(self, key: str, limits: KeyLimits) -> _Meter:
        # Only who comes in brings new limits: who leaves may still have the old ones.
        known = self._meters.get(key)
        if known is None or known.limits != limits:
            running = 0 if known is None else known.running
            known = self._meters[key] = _Meter(limits, self._clock, running)
        return known


def _bucket(per_minute: int | None, clock: Callable[[], float]) -> Bucket | None:
    return None if per_minute is None else Bucket(per_minute, clock)
