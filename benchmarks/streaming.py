"""Time to the first text of a stream: the model alone, verified whole, and sent segment by segment.

A scripted model writes a harmless answer at a fixed pace. ``whole`` and ``segment`` go through a really started
gateway with topics to forget; the conversation touches one, so every verifier judges every beginning.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from openai import AsyncOpenAI

from gateway.app import create_app
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import Capabilities, ChatRequest, Choice, Completion, Send, Usage
from verifiers.protocol import Topic

QUESTION = "How do I get to the house of Maren Oskeld0?"
SENTENCE = "The road goes on through the valley and past the old mill near the river. "


class Paced:
    """Writes word after word, ``pace_s`` apart."""

    capabilities = Capabilities()

    def __init__(self, words: int, pace_s: float) -> None:
        self._words = [f"{word} " for word in (SENTENCE * (words // 15 + 1)).split()][:words]
        self._pace_s = pace_s

    def fingerprint(self, model: str) -> str:
        """Name the script."""
        return "paced"

    async def stream(self, request: ChatRequest, send: Send) -> Completion:
        """Write at the pace, as a server does that does not wait for its reader."""
        began = time.perf_counter()
        for number, word in enumerate(self._words, start=1):
            await asyncio.sleep(max(0.0, began + number * self._pace_s - time.perf_counter()))
            await send(word)
        choice = Choice({"role": "assistant", "content": "".join(self._words)}, "stop")
        return Completion(request.model, (choice,), Usage(8, len(self._words)))

    async def complete(self, request: ChatRequest) -> Completion:
        """Write at the pace, and hand it in whole."""

        async def keep(text: str) -> None:
            pass

        return await self.stream(request, keep)

    async def models(self) -> tuple[str, ...]:
        """The one."""
        return ("m",)

    async def aclose(self) -> None:
        """Nothing is open."""


def topics(count: int) -> list[ForgetTopic]:
    """Invent people; the first is asked about."""
    return [
        ForgetTopic(
            Topic(f"t{i}", f"Maren Oskeld{i}", facts=(f"Maren Oskeld{i} was born in Seltal{i}.",)), active=True
        )
        for i in range(count)
    ]


@asynccontextmanager
async def gateway(model: Paced, streaming: str, known: int) -> AsyncIterator[AsyncOpenAI]:
    """Start one, with no certificate: what has no evidence goes out, by the same code as under one."""
    with tempfile.TemporaryDirectory() as folder:
        settings = given_settings(
            database=str(Path(folder) / "lethe.db"), without_certificate="zero-evidence", streaming=streaming
        )
        async with open_gateway(settings, upstream=model) as parts:
            await parts.store.add(*topics(known))
            async with serving(create_app(parts)) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="k") as client:
                yield client


async def timed(client: AsyncOpenAI) -> tuple[float, float]:
    """Ask once; gives the seconds to the first text and to the end."""
    began, first = time.perf_counter(), None
    stream = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    async for chunk in stream:
        if first is None and chunk.choices and chunk.choices[0].delta.content:
            first = time.perf_counter() - began
    return first or 0.0, time.perf_counter() - began


async def alone(model: Paced) -> tuple[float, float]:
    """Read the model itself."""
    began = time.perf_counter()
    firsts: list[float] = []

    async def send(text: str) -> None:
        firsts.append(time.perf_counter() - began)

    await model.stream(ChatRequest("m", ()), send)
    return firsts[0], time.perf_counter() - began


async def measure(words: int, pace_s: float, known: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Take the medians over repeats, all three in turn."""
    model = Paced(words, pace_s)
    found: dict[str, list[tuple[float, float]]] = {"model alone": [], "whole": [], "segment": []}
    async with gateway(model, "whole", known) as whole, gateway(model, "segment", known) as segment:
        await timed(whole), await timed(segment)
        for _ in range(repeats):
            found["model alone"].append(await alone(model))
            found["whole"].append(await timed(whole))
            found["segment"].append(await timed(segment))
    return {name: _medians(times) for name, times in found.items()}


def _medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(first for first, _ in times), statistics.median(end for _, end in times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--pace-ms", type=float, default=5.0)
    parser.add_argument("--topics", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=10)
    given = parser.parse_args()
    found = asyncio.run(measure(given.words, given.pace_ms / 1000, given.topics, given.repeats))
    end_alone = found["model alone"][1]
    print(f"{given.words} words, {given.pace_ms} ms apart, {given.topics} topics, median of {given.repeats}")
    for name, (first, end) in found.items():
        print(f"{name:12} first text {first * 1000:7.1f} ms   end {end * 1000:7.1f} ms ({end / end_alone:.3f})")


if __name__ == "__main__":
    main()
