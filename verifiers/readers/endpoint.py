"""A judge's server: an OpenAI-compatible endpoint, asked from any event loop. Knows no rubric; logs nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx

from verifiers.readers.reply import Reply, Unanswered, read_reply
from verifiers.readers.rubric import SCHEMA

__all__ = ["ChatEndpoint"]

_MOST_BYTES: Final = 1_000_000
_ALTERNATIVES: Final = 20


class ChatEndpoint:
    """Asks one model at ``base_url``, which ends in the version path (``…/v1``).

    At most ``concurrency`` requests are under way at once; ``timeout_s`` bounds each as a whole, waiting for its
    turn included. ``structured`` asks for the rubric's JSON schema, ``logprobs`` for the probabilities of tokens;
    with a server that refuses either, every verdict is an abstention until that is switched off. The client is a
    synchronous one in threads of its own, so it belongs to no event loop. Raises ``ValueError`` for a URL that is
    not http or https, and for numbers that mean nothing.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 10.0,
        concurrency: int = 4,
        structured: bool = True,
        logprobs: bool = True,
        parameters: Mapping[str, Any] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        url = _checked(base_url)
        if not model or concurrency < 1 or not (0 < timeout_s < math.inf):
            raise ValueError("a judge needs a model's name, a positive timeout and a concurrency of at least 1")
        self.structured = structured
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._body = {"temperature": 0, "max_tokens": 64, **(parameters or {}), "model": model, "stream": False}
        if structured:
            self._body["response_format"] = SCHEMA
        if logprobs:
            self._body |= {"logprobs": True, "top_logprobs": _ALTERNATIVES}
        self._timeout_s = timeout_s
        self._client = httpx.Client(
            headers={"authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=timeout_s,
            transport=transport or httpx.HTTPTransport(limits=httpx.Limits(max_connections=concurrency)),
        )
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="lethe-judge")
        parts = [self._url, self._body]
        self.fingerprint = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    async def ask(self, messages: Sequence[Mapping[str, str]]) -> Reply:
        """Ask, and say what the model answered or why there is no answer. Raises nothing but cancellation."""
        deadline = time.monotonic() + self._timeout_s
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await loop.run_in_executor(self._threads, self._exchange, messages, deadline)
        except TimeoutError:
            return Unanswered("the judge did not answer in time")
        except RuntimeError:
            return Unanswered("the judge's client is closed")

    def close(self) -> None:
        """Close the connections; what waits for its turn is given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def _exchange(self, messages: Sequence[Mapping[str, str]], deadline: float) -> Reply:
        try:
            content = json.dumps({**self._body, "messages": list(messages)}, ensure_ascii=False).encode()
            headers = {"content-type": "application/json"}
            with self._client.stream("POST", self._url, content=content, headers=headers) as response:
                if response.status_code != 200:
                    return Unanswered(f"the judge's server answered with status {response.status_code}")
                return _read(response, deadline, structured=self.structured)
        except httpx.TimeoutException:
            return Unanswered("the judge did not answer in time")
        except httpx.HTTPError:
            return Unanswered("the judge's server cannot be reached or broke off")
        except UnicodeEncodeError:
            return Unanswered("the exchange is not valid Unicode")


def _checked(base_url: str) -> str:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"the judge's URL cannot be read: {error}") from error
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError(
            "the judge's URL must start with http:// or https:// and end in the version path, without a password"
        )
    return str(url)


def _read(response: httpx.Response, deadline: float, *, structured: bool) -> Reply:
    """Read a reply of bounded size within bounded time."""
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _MOST_BYTES:
            return Unanswered("the judge's reply is too long")
        if time.monotonic() > deadline:
            return Unanswered("the judge did not answer in time")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return Unanswered("the judge's reply is not JSON")
    return read_reply(body, structured=structured)
