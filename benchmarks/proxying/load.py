"""A closed loop of requests, a process of its own: each connection asks again when its answer has come.

Writes one JSON object: answers that were right after the warming, all that were right, errors, seconds, and the
latencies' quantiles in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from functools import partial
from pathlib import Path
from sys import path
from typing import cast
from urllib.parse import urlsplit

import numpy as np
import uvloop

if __name__ == "__main__":  # run by its path, it finds its neighbours beside it
    path.insert(0, str(Path(__file__).parent.parent))

from proxying.wire import Messages

__all__ = ["question"]

_DISTINCT = 1024


def question(number: int) -> str:
    """Ask something that touches no topic; one differs from the next."""
    return f"How is bread of the kind number {number} baked in the valley by the river?"


class _Tally:
    """What came back until ``until``, a time of the clock of ``perf_counter``, or up to ``most`` answers."""

    def __init__(self, warm_until: float, until: float, most: int | None) -> None:
        self.warm_until = warm_until
        self.until = until
        self.most = most
        self.seconds: list[float] = []
        self.errors = 0
        self.all = 0
        self.example = b""

    def over(self, now: float) -> bool:
        """Say whether nothing more is to be asked."""
        return now >= self.until or (self.most is not None and len(self.seconds) + self.errors >= self.most)

    def count(self, began: float, now: float, head: bytes, body: bytes) -> None:
        """Count an answer; its time only if it was asked after the warming."""
        right = b" 200" in head[:16] and b'"content"' in body
        if not right:
            self.errors += 1
            self.example = self.example or head[:200] + b" ... " + body[:300]
            return
        self.all += 1
        if began >= self.warm_until:
            self.seconds.append(now - began)


class _Connection(asyncio.Protocol):
    """Asks, waits, asks again. Opens anew where the server closes after an answer."""

    def __init__(self, requests: list[bytes], at: int, tally: _Tally, done: asyncio.Future[bool]) -> None:
        self._requests = requests
        self._at = at
        self._tally = tally
        self._done = done
        self._messages = Messages()
        self._began = 0.0
        self._asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio's
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Count an answer and ask again."""
        for head, body in self._messages.take(data):
            now = time.perf_counter()
            self._asked = False
            self._tally.count(self._began, now, head, body)
            if self._tally.over(now):
                self._transport.close()
            elif b"\r\nconnection: close" not in head:
                self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whether it is over."""
        self._tally.errors += self._asked
        if not self._done.done():
            self._done.set_result(True)

    def _ask(self) -> None:
        self._at = (self._at + 1) % len(self._requests)
        self._began = time.perf_counter()
        self._asked = True
        self._transport.write(self._requests[self._at])


async def _keep_asking(url: str, requests: list[bytes], at: int, tally: _Tally) -> None:
    split, loop = urlsplit(url), asyncio.get_running_loop()
    while not tally.over(time.perf_counter()):
        done: asyncio.Future[bool] = loop.create_future()
        connection = partial(_Connection, requests, at, tally, done)
        try:
            await loop.create_connection(connection, str(split.hostname), split.port or 80)
        except OSError:
            tally.errors += 1
            await asyncio.sleep(0.05)
            continue
        await done


def _requests(url: str, model: str, headers: list[str]) -> list[bytes]:
    split = urlsplit(url)
    written: list[bytes] = []
    for number in range(_DISTINCT):
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": question(number)}]})
        lines = [
            f"POST {split.path} HTTP/1.1",
            f"host: {split.netloc}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *headers,
        ]
        written.append(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    return written


async def _load(options: argparse.Namespace) -> dict[str, object]:
    began = time.perf_counter()
    until = began + options.warm_s + options.seconds
    tally = _Tally(began + options.warm_s, until, options.requests)
    written = [(url, _requests(url, options.model, options.header)) for url in options.url]
    await asyncio.gather(
        *(
            _keep_asking(*written[number % len(written)], number * 7 % _DISTINCT, tally)
            for number in range(options.connections)
        )
    )
    seconds = time.perf_counter() - began - options.warm_s
    taken = np.array(tally.seconds or [float("nan")]) * 1e3
    quantiles = {f"p{q}_ms": float(np.percentile(taken, q)) for q in (50, 99)}
    counted = {"answers": len(tally.seconds), "all": tally.all, "errors": tally.errors, "seconds": seconds}
    return {**counted, **quantiles, "example": tally.example.decode("utf-8", "replace")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, action="append", help="where to POST; several are taken in turn")
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--requests", type=int, help="stop after this many answers")
    parser.add_argument("--warm-s", type=float, default=0.0)
    parser.add_argument("--model", default="m")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE")
    print(json.dumps(uvloop.run(_load(parser.parse_args()))))
