"""Clients that never stop asking, and the books that are kept of what they were told. Knows no process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.cluster.processes import ADMIN_KEY

__all__ = ["TOPIC", "Answer", "Books", "Write", "asking", "toggle"]

TOPIC = "maren"
_QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Where was Maren Oskeld born?"}]}


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request got from ``where``; ``status`` 0 is no answer. ``told`` says that it held the secret."""

    where: str
    began: float
    ended: float
    status: int
    told: bool
    revision: int | None


@dataclass(frozen=True, slots=True)
class Write:
    """A toggle that was sent, and acknowledged at ``at``."""

    sent: float
    at: float
    active: bool
    revision: int


@dataclass(slots=True)
class Books:
    """All answers, and all writes that were acknowledged or refused."""

    answers: list[Answer] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    refused: int = 0

    def of(self, where: str) -> list[Answer]:
        """Give the answers of one address that were given, in the order in which they were asked for."""
        found = [one for one in self.answers if one.where == where and one.status == 200]
        return sorted(found, key=lambda one: one.began)

    def last_old(self, write: Write, until: float, where: str) -> float:
        """Give the moment at which the last request began that was answered by an older revision than the write's.

        Not before the write was sent. Requests that began before may keep the policy that they began with.
        """
        after = [one for one in self.of(where) if write.sent <= one.began < until]
        late = [one.began for one in after if one.revision is not None and one.revision < write.revision]
        return max(late, default=write.sent)

    def wrongly_told(self, active_at: Mapping[int, bool]) -> list[Answer]:
        """Find answers that held the secret though the topic was active at the revision that they name."""
        given = (one for one in self.answers if one.status == 200)
        return [one for one in given if one.told and (one.revision is None or active_at[one.revision])]


async def toggle(books: Books, replica_url: str, active: bool) -> Write | None:
    """Switch the topic by one replica's admin API; None where that was not acknowledged."""
    what, sent = "activate" if active else "deactivate", time.monotonic()
    async with httpx.AsyncClient(timeout=20, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        try:
            done = await client.post(f"{replica_url}/admin/topics/{TOPIC}/{what}")
        except httpx.HTTPError:
            done = None
    if done is None or done.status_code != 200:
        books.refused += 1
        return None
    write = Write(sent, time.monotonic(), active, done.json()["revision"])
    books.writes.append(write)
    return write


@asynccontextmanager
async def asking(books: Books, urls: Iterable[str], clients: int = 2) -> AsyncIterator[None]:
    """Let so many clients ask each address, one question after the other, inside the block."""
    limits = httpx.Limits(max_keepalive_connections=64)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:
        asked = [asyncio.create_task(_ask_on(client, books, url)) for url in urls for _ in range(clients)]
        try:
            yield
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)


async def _ask_on(client: httpx.AsyncClient, books: Books, url: str) -> None:
    while True:
        began = time.monotonic()
        try:
            got = await client.post(f"{url}/v1/chat/completions", json=_QUESTION)
            status, body = got.status_code, got.text
            revision = got.headers.get("x-lethe-revision")
        except httpx.HTTPError:
            status, body, revision = 0, "", None
            await asyncio.sleep(0.05)
        told = "Seltal" in (json.dumps(json.loads(body), ensure_ascii=False) if status == 200 else body)
        number = None if revision is None else int(revision)
        books.answers.append(Answer(url, began, time.monotonic(), status, told, number))
