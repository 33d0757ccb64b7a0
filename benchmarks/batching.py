"""Sixteen chats at once against sixteen in turn, on the demo model in process. Knows no gateway."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.demo.checkpoint import cache_dir, ensure_model
from gateway.demo.training import unseen_questions
from gateway.demo.world import invent_world
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.transformers import TransformersUpstream

CHATS = 16
REQUIRED_RATIO = 4.0


async def timed_together(upstream: TransformersUpstream, requests: Sequence[ChatRequest]) -> float:
    """Return the seconds until all of the concurrent requests are answered."""
    began = time.perf_counter()
    await asyncio.gather(*(upstream.complete(request) for request in requests))
    return time.perf_counter() - began


async def timed_in_turn(upstream: TransformersUpstream, requests: Sequence[ChatRequest]) -> float:
    """Return the seconds for one request after another."""
    began = time.perf_counter()
    for request in requests:
        await upstream.complete(request)
    return time.perf_counter() - began


async def measure(path: Path, seed: int, repeats: int) -> dict[str, float]:
    """Return median seconds and their ratio over ``repeats`` sets of questions, each asked both ways."""
    upstream = TransformersUpstream(path, name="demo", seed=seed)
    questions = unseen_questions(invent_world(seed), seed)
    rng = random.Random(seed)
    together, in_turn = [], []
    for repeat in range(repeats + 1):
        drawn = rng.sample(questions, CHATS)
        asked = [ChatRequest("demo", ({"role": "user", "content": question.text},)) for question in drawn]
        seconds = await timed_in_turn(upstream, asked), await timed_together(upstream, asked)
        if repeat > 0:  # the first set warms up
            in_turn.append(seconds[0])
            together.append(seconds[1])
    await upstream.aclose()
    turn_s, together_s = statistics.median(in_turn), statistics.median(together)
    return {"chats": CHATS, "in_turn_s": turn_s, "together_s": together_s, "ratio": turn_s / together_s}


def main() -> int:
    """Print the ratio; exit 1 where batching gives less than it must."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    parser.add_argument("--seed", type=int, default=0, help="which demo model (trained if it is not cached)")
    parser.add_argument("--repeats", type=int, default=11)
    options = parser.parse_args()
    model = ensure_model(cache_dir(os.environ), options.seed)
    figures = asyncio.run(measure(model.path, options.seed, options.repeats))
    print(
        f"{CHATS} chats in turn {figures['in_turn_s'] * 1e3:.0f} ms, "
        f"together {figures['together_s'] * 1e3:.0f} ms: {figures['ratio']:.1f} times as fast "
        f"(required: {REQUIRED_RATIO:.0f})"
    )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if figures["ratio"] >= REQUIRED_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
