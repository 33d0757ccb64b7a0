"""A model server that answers at once, a process of its own. Run with the answers' length in characters."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from sys import path
from typing import cast

import uvloop

if __name__ == "__main__":  # run by its path, it finds its neighbours beside it
    path.insert(0, str(Path(__file__).parent.parent))

from verifier_cost import PROSE

from proxying.wire import Messages

__all__ = ["answers"]

_DISTINCT = 2048


def answers(chars: int, seed: int) -> list[str]:
    """Make different answers of ordinary sentences, since a verifier remembers the texts that it has just read."""
    source = random.Random(seed)
    sentences = [f"{one}." for one in PROSE.strip().split(". ")]
    texts = [" ".join(source.sample(sentences, len(sentences)) * (chars // 500 + 1)) for _ in range(_DISTINCT)]
    return [text[:chars] for text in texts]


class _Server(asyncio.Protocol):
    """Answers every POST with the next completion, every GET with the list of models."""

    def __init__(self, completions: Iterator[bytes]) -> None:
        self._completions = completions
        self._messages = Messages()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio's

    def data_received(self, data: bytes) -> None:
        """Answer what has come whole."""
        for head, _ in self._messages.take(data):
            self._transport.write(next(self._completions) if head.startswith(b"post") else _LISTING)


def _response(body: object) -> bytes:
    written = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(written)}\r\n\r\n"
    return head.encode() + written


def _completion(said: str) -> bytes:
    message = {"role": "assistant", "content": said}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    usage = {"prompt_tokens": 12, "completion_tokens": 60, "total_tokens": 72}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m"}
    return _response({**head, "choices": [choice], "usage": usage})


_LISTING = _response({"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "x"}]})


async def _serve(port: int, chars: int) -> None:
    completions = cycle([_completion(said) for said in answers(chars, seed=0)])
    server = await asyncio.get_running_loop().create_server(lambda: _Server(completions), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--chars", type=int, required=True)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.chars))
