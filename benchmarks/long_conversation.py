"""A long conversation: what its screen and verifiers cost at the newest turn, and what each answer after it does.

    python benchmarks/long_conversation.py

Plain prose in turns of 40 words and answers of 100; 200 topics of 10 aliases and 10 facts. In "about a topic" the
second question names one. Every conversation is new to the process. Medians, in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Iterator
from itertools import pairwise

from rich.console import Console
from rich.table import Table
from verifier_cost import PROSE, made_up_topics

from gateway.guard.conversation import read_conversation
from gateway.guard.policy import Policy
from gateway.panel import open_panel
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import ChatRequest

ASKED, ANSWERED = 40, 100


def conversation(source: random.Random, turns: int, about: str | None) -> ChatRequest:
    """Make one of this many turns, the newest unanswered."""
    messages = [
        {"role": role, "content": prose(source, words)}
        for _ in range(turns)
        for role, words in (("user", ASKED), ("assistant", ANSWERED))
    ]
    if about is not None:
        messages[min(2, len(messages) - 2)]["content"] += f" Who is {about}?"
    return ChatRequest("m", (*messages, {"role": "user", "content": prose(source, ASKED)}))


def prose(source: random.Random, words: int) -> str:
    """Cut a piece out of plain prose, told apart from all others by a number."""
    given = PROSE.split() * 3
    start = source.randrange(len(given) // 3)
    return " ".join([*given[start : start + words], str(source.randrange(10**9))])


async def costs(policy: Policy, request: ChatRequest, source: random.Random) -> Iterator[float]:
    """Time the screen, the judgements of two answers, and that of the next turn's first, in milliseconds."""
    assert policy.screen is not None
    said = read_conversation(request, most_chars=10**9)
    marks = [time.perf_counter()]
    touched = await policy.screen.touched(said.text)
    marks.append(time.perf_counter())
    judge = policy.screen.judge(touched=bool(touched))
    for _ in range(2):
        await judge(said.exchange(prose(source, ANSWERED)))
        marks.append(time.perf_counter())
    added = ({"role": role, "content": prose(source, ASKED)} for role in ("assistant", "user"))
    said = read_conversation(ChatRequest("m", (*request.messages, *added)), most_chars=10**9)
    await policy.screen.touched(said.text)
    begun = time.perf_counter()
    await judge(said.exchange(prose(source, ANSWERED)))
    marks.append(marks[-1] + time.perf_counter() - begun)
    return (1000 * (after - before) for before, after in pairwise(marks))


async def main() -> None:
    """Print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=9)
    arguments.add_argument("--topics", type=int, default=200)
    given = arguments.parse_args()
    source = random.Random(1)
    topics = made_up_topics(source, given.topics, 10, 10)
    table = Table("turns", "kB", "", "screen", "first answer", "each further answer", "next turn")
    with open_panel(given_settings()) as panel:
        active = [ForgetTopic(topic, active=True) for topic in topics]
        policy = Policy.prepare(1, active, panel, verify_timeout_s=None)
        for about in (None, topics[7].name):
            for turns in (1, 10, 50, 200):
                asked = [conversation(source, turns, about) for _ in range(given.repeats + 1)]
                taken = [[*(await costs(policy, request, source))] for request in asked][1:]
                chars = len(read_conversation(asked[0], most_chars=10**9).text)
                middle = [f"{statistics.median(each):.1f}" for each in zip(*taken, strict=True)]
                table.add_row(str(turns), f"{chars / 1000:.0f}", "about a topic" if about else "", *middle)
    Console().print(table)


if __name__ == "__main__":
    asyncio.run(main())
