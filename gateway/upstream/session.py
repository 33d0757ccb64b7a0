"""Exchanges over aiohttp's own session, past httpx. Knows no dialect."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from gateway.upstream.bounded import compressed, too_large
from gateway.upstream.exchange import Answer, Timeouts, timed_out, unreachable

__all__ = ["Session"]

_AT_ONCE_BYTES: Final = 2**20
_KEEP_ALIVE_S: Final = 5.0
"""As long as servers keep a connection on which nothing is said, at the least."""


class Session:
    """Up to ``most`` kept connections to the server at ``base_url``; see ``Exchanging``.

    It follows no redirect, keeps no cookies and asks no proxy: an upstream needs none of these. ``headers`` go
    with every request.
    """

    def __init__(
        self, base_url: str, headers: Mapping[str, str], *, timeouts: Timeouts, most: int, most_bytes: int
    ) -> None:
        self._base_url = base_url
        self._headers = dict(headers)
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=timeouts.pool_s, sock_connect=timeouts.connect_s, sock_read=timeouts.read_s
        )
        self._most = most
        self._most_bytes = most_bytes
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, method: str, path: str, content: bytes | None) -> Answer:
        """See ``Exchanging``."""
        session = self._session
        if session is None:
            session = self._session = self._opened()
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base_url + path)
        # aiohttp would warn of a long one that is written in one go.
        data = io.BytesIO(content) if content is not None and len(content) > _AT_ONCE_BYTES else content
        begun = False
        try:
            async with session.request(method, url, data=data, allow_redirects=False) as response:
                begun = True
                if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                    raise compressed()
                answered = await self._read(response)
                return Answer(response.status, answered, response.headers.get("retry-after"))
        except aiohttp.ServerTimeoutError as error:
            raise timed_out("read" if isinstance(error, aiohttp.SocketTimeoutError) else "connect") from error
        except (aiohttp.ClientError, HttpProcessingError) as error:  # their messages quote what the server said
            raise unreachable(answer_begun=begun) from error

    async def aclose(self) -> None:
        """See ``Exchanging``."""
        if self._session is not None:
            await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in response.content.iter_any():
            size += len(piece)
            if size > self._most_bytes:
                raise too_large(self._most_bytes)
            pieces.append(piece)
        return b"".join(pieces)

    def _opened(self) -> aiohttp.ClientSession:
        """Open a session, which belongs to the event loop that runs now."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._most, ssl=httpx.create_ssl_context(), keepalive_timeout=_KEEP_ALIVE_S
            ),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=self._timeout,
        )
