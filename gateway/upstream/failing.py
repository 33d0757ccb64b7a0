"""What an upstream's failure means: for the server, for another attempt, for another model. Knows no servers."""

from __future__ import annotations

from random import Random
from typing import Final

from gateway.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamGarbage,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)

__all__ = ["pause_s", "repeatable", "servers_fault", "standing_in_helps"]

_OVERLOADED: Final = frozenset({429, 502, 503, 504})
_OF_THE_REQUEST: Final = frozenset({400, 404, 413, 422})
_FIRST_PAUSE_S: Final = 0.25


def servers_fault(error: UpstreamError) -> bool:
    """Say whether the failure speaks against the server, so that its breaker counts it.

    A request that it refuses, a limit of its own and an answer that cannot be read, as of some content filters,
    are signs of life.
    """
    match error:
        case UpstreamRejected(upstream_status=status):
            return status >= 500
        case UpstreamBusy() | UpstreamGarbage():
            return False
        case _:
            return True


def repeatable(error: UpstreamError) -> bool:
    """Say whether the same request may be sent again: nothing of an answer had come, and another might."""
    match error:
        case UpstreamRejected(upstream_status=status):
            return status in _OVERLOADED
        case UpstreamUnreachable(answer_begun=begun):
            return not begun
        case UpstreamTimeout(phase=phase):
            return phase == "connect"
        case _:
            return False


def standing_in_helps(error: UpstreamError) -> bool:
    """Say whether another model may answer in place of this one: not where the request itself was refused."""
    return not (isinstance(error, UpstreamRejected) and error.upstream_status in _OF_THE_REQUEST)


def pause_s(error: UpstreamError, attempt: int, most_s: float, chance: Random) -> float | None:
    """Say how long to wait before attempt 1, 2, …; None where the server asks for more than ``most_s``.

    Doubles, and is drawn from all of that range, so that many callers do not come back together. Where the server
    says how long (in seconds), it is that and a little. A date is taken for too long.
    """
    jitter = chance.uniform(0, min(most_s, _FIRST_PAUSE_S * 2 ** (attempt - 1)))
    asked = error.retry_after if isinstance(error, UpstreamRejected) else None
    if asked is None:
        return jitter
    wait_s = _seconds(asked)
    return None if wait_s is None or wait_s > most_s else wait_s + min(jitter, _FIRST_PAUSE_S)


def _seconds(written: str) -> float | None:
    whole, _, part = written.strip().partition(".")
    return float(written) if whole.isdecimal() and (not part or part.isdecimal()) else None
