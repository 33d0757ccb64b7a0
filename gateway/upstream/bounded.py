"""Answers of a model server up to a size: an endless one cannot fill the memory. Knows no dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError

from gateway.errors import UpstreamGarbage

__all__ = ["UNCOMPRESSED", "Bounded", "compressed", "too_large"]

UNCOMPRESSED = {"accept-encoding": "identity"}
"""What to ask for: a few compressed bytes could become more than any memory holds."""


def compressed() -> UpstreamGarbage:
    """Make the error of an answer that is compressed."""
    return UpstreamGarbage("the model server compressed its answer unasked; nothing of it was passed on")


def too_large(most_bytes: int) -> UpstreamGarbage:
    """Make the error of an answer beyond the limit."""
    return UpstreamGarbage(
        f"the model server's answer is larger than {most_bytes} bytes (LETHE_MAX_ANSWER_BYTES); "
        "nothing of it was passed on"
    )


class Bounded(httpx.AsyncBaseTransport):
    """Raises ``UpstreamGarbage`` for an answer beyond ``most_bytes``, and for a compressed one."""

    def __init__(self, transport: httpx.AsyncBaseTransport, most_bytes: int) -> None:
        self._transport = transport
        self._most_bytes = most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; the limit counts while the answer is read."""
        with _broken_http():
            response = await self._transport.handle_async_request(request)
        if not isinstance(response.stream, httpx.AsyncByteStream):
            raise TypeError("the transport's answers cannot be awaited")
        response.stream = _Counted(response.stream, self._most_bytes)
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            await response.stream.aclose()
            raise compressed()
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


class _Counted(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        with _broken_http():
            async for chunk in self._stream:
                seen += len(chunk)
                if seen > self._most_bytes:
                    raise too_large(self._most_bytes)
                yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@contextmanager
def _broken_http() -> Iterator[None]:
    """Name what is no HTTP as httpx does: httpx-aiohttp 0.2 lets aiohttp's own errors through, which quote it."""
    try:
        yield
    except (aiohttp.ClientError, HttpProcessingError) as error:
        raise httpx.RemoteProtocolError("the answer is no HTTP") from error
