"""Replicas under load: toggles, a replica killed, a database restarted, an upgrade. Nothing lost or unverified.

Each test ends with the books: every acknowledged write is in the audit chain, every answer by any revision is
checked against what was active at that revision, and a toggle is followed everywhere within a second.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.store.chain import Whole, checked, entry_of
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from tests.cluster.conftest import GRACE_S, Cluster
from tests.cluster.load import TOPIC, Books, Write, asking, toggle
from tests.cluster.processes import ADMIN_KEY, ROOT, Replica
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic(TOPIC, "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)), active=False)


@pytest.fixture
async def books(cluster: Cluster):
    """Begin with the topic off, and balance the books in the end."""
    store = await Store.open(cluster.database)
    if not await store.topics():
        await store.add(MAREN)
    began = await store.set_active(TOPIC, False)
    books = Books()
    yield books
    revision, log = await store.audit()
    await store.aclose()
    assert isinstance(checked(log, revision=revision), Whole)
    switched = {
        e["revision"]: e["after"]["active"]
        for e in map(entry_of, log)
        if e["what"] == "topics.switch" and e["after"]
    }
    active, active_at = False, {}
    for number in range(began, revision + 1):
        active = bool(switched.get(number, active))
        active_at[number] = active
    assert [] == [write for write in books.writes if active_at[write.revision] != write.active]
    assert [] == books.wrongly_told(active_at)


def urls(cluster: Cluster) -> list[str]:
    """Give every replica's own address."""
    return [replica.url for replica in cluster.replicas]


@dataclass(frozen=True)
class Delay:
    """From a toggle's acknowledgement, and from its sending, to the last request answered by the old policy."""

    acknowledged_s: float
    sent_s: float


async def toggles(cluster: Cluster, books: Books, count: int, pause_s: float = 1.5) -> list[Delay]:
    """Toggle by one replica after the other; give each address's delay after each toggle."""
    delays: list[Delay] = []
    for number in range(count):
        replica = cluster.replicas[number % len(cluster.replicas)]
        write = await toggle(books, replica.url, active=len(books.writes) % 2 == 0)
        await asyncio.sleep(pause_s)
        if write is not None:
            last = [books.last_old(write, time.monotonic(), url) for url in (*urls(cluster), cluster.front)]
            delays += [Delay(max(0.0, moment - write.at), moment - write.sent) for moment in last]
    return delays


def longest_s(delays: list[Delay]) -> float:
    """Give the longest delay after an acknowledgement."""
    return max(delay.acknowledged_s for delay in delays)


def summary(delays: list[Delay]) -> str:
    """Say how long toggles took."""
    sent = sorted(delay.sent_s for delay in delays)
    return (
        f"no request that began later than {longest_s(delays) * 1000:.0f} ms after a toggle's acknowledgement, or "
        f"{sent[-1] * 1000:.0f} ms after its sending (median {sent[len(sent) // 2] * 1000:.0f} ms), was "
        "answered by the old policy"
    )


async def test_replicas_that_start_at_once_migrate_once(cluster: Cluster) -> None:
    """On an empty database; the log has one beginning."""
    store = await Store.open(cluster.database)
    log = [entry_of(row) for row in (await store.audit())[1]]
    await store.aclose()
    assert ["audit.begin"] == [entry["what"] for entry in log if entry["what"] == "audit.begin"]
    cluster.record(
        "three replicas started at once on an empty database", "one migrated, the others waited; all ready"
    )


async def test_a_toggle_is_followed_everywhere_within_a_second_under_load(cluster: Cluster, books: Books) -> None:
    """Whichever replica takes it."""
    began = time.monotonic()
    async with asking(books, [*urls(cluster), cluster.front]):
        await asyncio.sleep(1)
        delays = await toggles(cluster, books, 12)
    assert longest_s(delays) < 1.0
    assert {200} == {one.status for one in books.answers}
    rate = len(books.answers) / (time.monotonic() - began)
    cluster.record(
        f"12 toggles under load, {rate:.0f} requests a second in all",
        f"{summary(delays)}; {len(books.answers)} answers, none failed",
    )


def revisions(told: dict[str, Any]) -> list[int]:
    """Read which revision each replica says that it serves by."""
    return [one["revision"] for one in told.get("replicas", {}).values()]


async def test_every_replica_says_which_revision_it_serves_by(cluster: Cluster, books: Books) -> None:
    """So that an operator can prove that a toggle took effect."""
    write = await toggle(books, urls(cluster)[0], active=True)
    assert write is not None
    told = {}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as client:
        with suppress(TimeoutError):
            async with asyncio.timeout(15):
                while revisions(told) != [write.revision] * 3:
                    await asyncio.sleep(0.2)
                    told = (await client.get(f"{cluster.front}/admin/status")).json()
    assert [write.revision] * 3 == revisions(told)
    assert write.revision == told["process_revision"]
    cluster.record("a toggle while nobody asks", "`/admin/status` of one names all three replicas at its revision")


async def test_a_replica_killed_under_load_takes_nothing_with_it(cluster: Cluster, books: Books) -> None:
    """Behind nginx nobody notices; when it is back it serves by the newest revision."""
    victim = cluster.replicas[1]
    async with asking(books, [cluster.front], clients=6):
        await toggles(cluster, books, 2)
        victim.stop(signal.SIGKILL)
        while_away = [await toggle(books, cluster.replicas[n].url, active=bool(n)) for n in (2, 0)]
        await asyncio.sleep(2)
        await asyncio.to_thread(victim.start)
        await asyncio.to_thread(victim.ready)
        async with asking(books, [victim.url]):
            delays = await toggles(cluster, books, 3)
    assert all(isinstance(write, Write) for write in while_away)
    assert {200} == {one.status for one in books.answers if one.where == cluster.front}
    assert longest_s(delays) < 1.0
    cluster.record(
        "a replica killed (SIGKILL) under load and toggles, started again",
        f"{len(books.of(cluster.front))} answers through nginx, none failed; 5 toggles besides, all kept; it came "
        "back at the newest revision",
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_the_database_restarted_under_load(cluster: Cluster, books: Books, how: signal.Signals) -> None:
    """Answers go on by the last policy, writes are refused and not lost, and toggles count again after it."""
    async with asking(books, urls(cluster), clients=2):
        assert await toggle(books, urls(cluster)[0], active=True)
        await asyncio.sleep(1)
        gone = time.monotonic()
        await asyncio.to_thread(cluster.postgres.stop, how)
        refused = await toggle(books, urls(cluster)[1], active=False)
        await asyncio.sleep(2)
        await asyncio.to_thread(cluster.postgres.start)
        away_s = time.monotonic() - gone
        await asyncio.sleep(1)
        delays = await toggles(cluster, books, 4)
    assert refused is None
    assert {200} == {one.status for one in books.answers}
    assert longest_s(delays) < 1.0
    words = "restarted (fast shutdown)" if how is signal.SIGINT else "crashed (SIGQUIT) and started again"
    cluster.record(
        f"the database {words}, {away_s:.1f} s away, under load",
        f"{len(books.answers)} answers, none failed; a write meanwhile refused with 503; afterwards "
        f"{summary(delays)}",
    )


async def answered_by_all(cluster: Cluster, books: Books, since: float) -> float:
    """Wait, at most fifteen seconds, until every replica has answered again; the moment at which it has."""
    async with asyncio.timeout(15):
        while not all(any(one.began > since for one in books.of(url)) for url in urls(cluster)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return time.monotonic()


async def test_a_database_away_for_longer_than_the_grace_closes_every_replica(
    cluster: Cluster, books: Books
) -> None:
    """Then nothing is answered and no replica is ready, until it is back: by itself."""
    async with asking(books, urls(cluster), clients=1):
        await asyncio.sleep(1)
        await asyncio.to_thread(cluster.postgres.stop)
        gone = time.monotonic()
        await asyncio.sleep(GRACE_S + 3)
        async with httpx.AsyncClient(timeout=10) as client:
            ready = [(await client.get(f"{url}/readyz")).status_code for url in urls(cluster)]
        starting = time.monotonic()
        await asyncio.to_thread(cluster.postgres.start)
        back = time.monotonic()
        answering = await answered_by_all(cluster, books, back)
        await asyncio.sleep(2)
    statuses = {one.status for one in books.answers if gone + GRACE_S + 0.5 < one.began < one.ended < starting}
    again = min(one.began for one in books.answers if one.began > starting and one.status == 200) - starting
    assert ({503}, [503] * 3) == (statuses, ready)
    assert {200} == {one.status for one in books.answers if one.began > answering}
    cluster.record(
        f"the database away for {back - gone:.0f} s, with LETHE_DATABASE_GRACE_S={GRACE_S}",
        f"answers for {GRACE_S} s, then 503 everywhere and not ready; again {again:.1f} s after its start",
    )


NEXT = '''"""A column more, as the next version could bring."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it."""
    op.add_column("topics", sa.Column("note", sa.Text, nullable=True))
'''


def next_version(folder: Path) -> Path:
    """Copy the packages as the next version: with one migration more."""
    for package in ("gateway", "verifiers", "calibration", "evaluation", "unlearners"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    versions = folder / "gateway/store/migrations/versions"
    newest = max(file.name[:4] for file in versions.glob("0*.py"))
    (versions / "9999_note.py").write_text(NEXT.format(newest=newest))
    return folder


async def upgrade(replica: Replica, code: Path) -> None:
    """End a replica politely and start it from other code."""
    await asyncio.to_thread(replica.stop)
    replica.code = code
    await asyncio.to_thread(replica.start)
    await asyncio.to_thread(replica.ready)


async def test_a_rolling_upgrade_with_a_migration(cluster: Cluster, books: Books, tmp_path: Path) -> None:
    """One replica after the other; the old ones serve on over the new schema, and do not start on it any more."""
    code = next_version(tmp_path)
    async with asking(books, [cluster.front], clients=4), asking(books, urls(cluster)[2:], clients=1):
        delays = await toggles(cluster, books, 1)
        for replica in cluster.replicas:
            await upgrade(replica, code)
            delays += await toggles(cluster, books, 3)
    assert {200} == {one.status for one in books.answers if one.where == cluster.front}
    assert longest_s(delays) < 1.0
    assert "9999" == cluster.postgres.execute(cluster.database, "SELECT version_num FROM alembic_version")
    old = cluster.replicas[0]
    await asyncio.to_thread(old.stop)
    old.code = ROOT
    old.start()
    with pytest.raises(RuntimeError, match="newer Lethe"):
        await asyncio.to_thread(old.ready)
    cluster.record(
        "a rolling upgrade: each replica ended (SIGTERM) and started from a version with one migration more",
        f"{len(books.of(cluster.front))} answers through nginx, none failed; {len(books.writes)} toggles between, "
        f"all kept; {summary(delays)}; a replica of the old version does not start on the new schema any more",
    )
