"""What an exchange with a model server is: bytes there, an answer back, failures by phase. Knows no dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp
import httpx

from gateway.errors import Phase, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.bounded import Bounded

__all__ = ["Answer", "Exchanging", "ThroughTransport", "Timeouts", "failure", "timed_out", "unreachable"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds that each phase of an exchange may take."""

    connect_s: float = 5.0
    read_s: float = 120.0
    write_s: float = 30.0
    pool_s: float = 10.0


@dataclass(slots=True)
class Answer:
    """A server's whole answer, of which these things alone are read."""

    status: int
    content: bytes
    retry_after: str | None = None


class Exchanging(Protocol):
    """Sends requests to one server and gives whole answers.

    Answers of more bytes than it was made for, and compressed ones, raise ``UpstreamGarbage``; whatever else fails
    raises ``UpstreamTimeout`` with its phase, or ``UpstreamUnreachable``.
    """

    async def exchange(self, method: str, path: str, content: bytes | None) -> Answer:
        """Send JSON, or nothing, to a path under the server's address."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class ThroughTransport:
    """Exchanges through a transport of httpx's, past its client."""

    def __init__(
        self, transport: Bounded, base_url: str, headers: Mapping[str, str], timeout: httpx.Timeout
    ) -> None:
        self._transport = transport
        self._base_url = base_url
        self._headers = httpx.Headers(headers)
        self._extensions = {"timeout": timeout.as_dict()}

    async def exchange(self, method: str, path: str, content: bytes | None) -> Answer:
        """See ``Exchanging``."""
        url = self._base_url + path
        asked = httpx.Request(method, url, headers=self._headers, content=content, extensions=self._extensions)
        try:
            response = await self._transport.handle_async_request(asked)
        except httpx.HTTPError as error:
            raise failure(error, answer_begun=False) from error
        try:
            answered = await response.aread()
        except httpx.HTTPError as error:
            raise failure(error, answer_begun=True) from error
        finally:
            await response.aclose()
        return Answer(response.status_code, answered, response.headers.get("retry-after"))

    async def aclose(self) -> None:
        """See ``Exchanging``."""
        await self._transport.aclose()


def unreachable(*, answer_begun: bool) -> UpstreamUnreachable:
    """Make the error of a server that is not there, or broke off."""
    return UpstreamUnreachable(
        "the model server cannot be reached or broke off; check that it runs, and LETHE_UPSTREAM_URL",
        answer_begun=answer_begun,
    )


def timed_out(phase: Phase) -> UpstreamTimeout:
    """Make the error of a phase that took too long."""
    return UpstreamTimeout(_TOO_LONG[phase], phase=phase)


_TOO_LONG: Final[Mapping[Phase, str]] = {
    "connect": "the model server did not accept a connection in time",
    "write": "the model server did not take the request in time",
    "pool": "no connection to the model server came free in time",
    "read": "the model server did not answer in time",
}


def failure(error: httpx.HTTPError, *, answer_begun: bool) -> UpstreamError:
    """Tell a wait that was too long from a server that is not there."""
    if isinstance(error, httpx.TimeoutException) and not _refused(error):
        return timed_out(_phase(error))
    return unreachable(answer_begun=answer_begun)


def _refused(error: httpx.TimeoutException) -> bool:
    """Look behind httpx-aiohttp 0.2, which calls a refused or cut connection a timeout too."""
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientConnectionError) and not isinstance(cause, aiohttp.ServerTimeoutError)


def _phase(error: httpx.TimeoutException) -> Phase:
    match error:
        case httpx.ConnectTimeout():
            return "connect"
        case httpx.WriteTimeout():
            return "write"
        case httpx.PoolTimeout():
            return "pool"
        case _:
            return "read"
