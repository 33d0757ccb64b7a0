"""The store's reads and writes, in a real database of either kind."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import Conflict, InvalidInput, NotFound, StoreError
from gateway.store.records import Fallback, ForgetTopic, PolicyRecord
from gateway.store.store import Store
from verifiers.protocol import Topic

ADA = ForgetTopic(
    Topic("ada", "Ada Brenner", ("A. Brenner",), "a founder", ("Ada cast bells.",), ("Ring the third bell.",)),
    active=True,
    fallback=Fallback("custom", "Ask me something else."),
)
ZOE = ForgetTopic(Topic("zoe", "Zoë 🜂"), active=False)


async def test_a_new_store_holds_nothing_at_revision_zero(store: Store) -> None:
    """Before the first write there is no topic, no certificate and no revision."""
    assert await store.snapshot() == PolicyRecord(0, ())


async def test_a_topic_comes_back_as_it_went_in(store: Store) -> None:
    """Every field of a topic survives the way through the database, in any script."""
    assert await store.add(ZOE, ADA) == 1
    assert await store.topics() == (ADA, ZOE)
    assert await store.topic("zoe") == ZOE


async def test_a_restart_loses_nothing(address: str) -> None:
    """What was written before closing is there after opening again, revision and certificate included."""
    store = await Store.open(address)
    await store.add(ADA, ZOE)
    await store.put_certificate("c1", {"alpha": 0.05})
    await store.activate_certificate("c1")
    before = await store.snapshot()
    await store.aclose()
    store = await Store.open(address)
    assert await store.snapshot() == before == PolicyRecord(3, (ADA, ZOE), ({"alpha": 0.05},))
    await store.aclose()


async def test_each_write_returns_the_next_revision(store: Store) -> None:
    """Every kind of write adds exactly one to the revision and returns it."""
    revisions = [
        await store.add(ADA),
        await store.set_active("ada", False),
        await store.replace("ada", ADA),
        await store.put_certificate("c1", {}),
        await store.activate_certificate("c1"),
        await store.deactivate_certificate(),
        await store.remove("ada"),
    ]
    assert revisions == [1, 2, 3, 4, 5, 6, 7]
    assert (await store.snapshot()).revision == 7


async def test_a_toggle_changes_nothing_but_the_toggle(store: Store) -> None:
    """Switching a topic off and on keeps its texts and its fallback."""
    await store.add(ADA)
    await store.set_active("ada", False)
    assert await store.topic("ada") == replace(ADA, active=False)
    await store.set_active("ada", True)
    assert await store.topic("ada") == ADA


async def test_only_active_topics_are_listed_as_active(store: Store) -> None:
    """The policy holds all topics and tells the active ones apart."""
    await store.add(ADA, ZOE)
    assert (await store.snapshot()).active_topics == (ADA,)


async def test_replacing_leaves_nothing_of_the_old_topic(store: Store) -> None:
    """A replacement is whole: fields that it leaves empty become empty."""
    await store.add(ADA)
    await store.replace("ada", ForgetTopic(Topic("ada", "Somebody")))
    assert await store.topic("ada") == ForgetTopic(Topic("ada", "Somebody"))


async def test_a_topic_keeps_its_id(store: Store) -> None:
    """Replacing a topic by one with another id is refused, and changes nothing."""
    await store.add(ADA)
    with pytest.raises(InvalidInput, match="keeps its id"):
        await store.replace("ada", ZOE)
    assert await store.snapshot() == PolicyRecord(1, (ADA,))


async def test_a_taken_id_is_a_conflict_and_nothing_of_the_import_stays(store: Store) -> None:
    """Several topics are added all or none; a refused write leaves the revision as it was."""
    await store.add(ADA)
    with pytest.raises(Conflict, match="ada"):
        await store.add(ZOE, ADA)
    assert await store.snapshot() == PolicyRecord(1, (ADA,))


async def test_an_id_given_twice_is_a_conflict(store: Store) -> None:
    """Two topics with one id in the same import are refused together."""
    with pytest.raises(Conflict, match="zoe"):
        await store.add(ZOE, ADA, ZOE)
    assert await store.topics() == ()


@pytest.mark.parametrize("write", ["topic", "remove", "set_active", "replace", "activate_certificate"])
async def test_what_is_not_there_is_not_found(store: Store, write: str) -> None:
    """Reading or changing an unknown topic or certificate says so and writes nothing."""
    arguments = {"set_active": ("ada", True), "replace": ("ada", ADA)}.get(write, ("ada",))
    with pytest.raises(NotFound):
        await getattr(store, write)(*arguments)
    assert (await store.snapshot()).revision == 0


async def test_activating_a_certificate_replaces_the_active_one(store: Store) -> None:
    """At most one certificate is active, and putting one does not activate it."""
    await store.put_certificate("c1", {"alpha": 0.05})
    assert await store.active_certificates() == ()
    await store.put_certificate("c2", {"alpha": 0.1})
    await store.activate_certificate("c1")
    await store.activate_certificate("c2")
    assert await store.active_certificates() == ({"alpha": 0.1},)
    await store.deactivate_certificate()
    assert await store.active_certificates() == ()


async def test_activating_an_unknown_certificate_keeps_the_active_one(store: Store) -> None:
    """A refused activation is rolled back: the certificate that was active still is."""
    await store.put_certificate("c1", {"alpha": 0.05})
    await store.activate_certificate("c1")
    with pytest.raises(NotFound):
        await store.activate_certificate("c2")
    assert await store.active_certificates() == ({"alpha": 0.05},)


async def test_a_certificate_id_stands_for_one_body(store: Store) -> None:
    """The same certificate may be put again; another body under its id is refused."""
    await store.put_certificate("c1", {"alpha": 0.05})
    await store.put_certificate("c1", {"alpha": 0.05})
    with pytest.raises(Conflict):
        await store.put_certificate("c1", {"alpha": 0.5})


async def test_concurrent_writers_lose_no_write(address: str, store: Store) -> None:
    """Forty writes at once through two stores on one database are all there, each with a revision of its own."""
    other = await Store.open(address)
    topics = [ForgetTopic(Topic(f"t{number:02}", f"Topic {number}")) for number in range(40)]
    writes = [(store, other)[number % 2].add(topic) for number, topic in enumerate(topics)]
    revisions = await asyncio.gather(*writes)
    assert sorted(revisions) == list(range(1, 41))
    assert await store.topics() == tuple(topics)
    await other.aclose()


async def toggle_until(store: Store, stop: asyncio.Event) -> None:
    """Switch the topic on and off as fast as the database allows, so that it is on at odd revisions."""
    while not stop.is_set():
        revision = (await store.policy()).revision
        await store.set_active("ada", revision % 2 == 0)


async def test_a_snapshot_never_mixes_two_revisions(address: str, store: Store) -> None:
    """While another connection writes as fast as it can, every snapshot is of one moment."""
    await store.add(ADA)
    other, stop = await Store.open(address), asyncio.Event()
    writer = asyncio.create_task(toggle_until(other, stop))
    records = [await store.snapshot() for _ in range(200)]
    stop.set()
    await writer
    await other.aclose()
    assert records[-1].revision > records[0].revision
    assert [record.topics[0].active == (record.revision % 2 == 1) for record in records] == [True] * 200


async def notices(store: Store) -> bool:
    """Say whether the store sees a change within the second that is promised (a file's at once)."""
    for _ in range(100):
        if store.revision_changed():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_write_during_a_snapshot_is_in_it_or_seen_afterwards(address: str, store: Store) -> None:
    """Whenever the store says that nothing changed, the snapshot is the newest."""
    other = await Store.open(address)
    await store.add(ADA)
    for number in range(100):
        record, revision = await asyncio.gather(store.snapshot(), other.set_active("ada", number % 2 == 1))
        assert record.revision == revision or await notices(store)
    await other.aclose()


async def test_a_closed_store_says_so(address: str) -> None:
    """After closing, the hot path's check fails closed instead of saying that nothing changed."""
    store = await Store.open(address)
    await store.snapshot()
    await store.aclose()
    with pytest.raises(StoreError):
        store.revision_changed()


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite+aiosqlite:///{}", "{}"])
async def test_a_database_is_named_by_its_path_or_its_url(path: Path, form: str) -> None:
    """A path and SQLite's two URL forms open the same file."""
    store = await Store.open(form.format(path))
    assert store.database.path == path
    await store.aclose()


@pytest.mark.parametrize("url", [":memory:", "sqlite://", "", "mysql://host/db", "sqlite:////x?mode=ro", "://"])
async def test_a_database_that_is_no_file_is_refused(url: str) -> None:
    """A database in memory would lose everything at a restart, and others are not known."""
    with pytest.raises(InvalidInput) as refused:
        await Store.open(url)
    assert refused.value.param == "database"


async def test_a_new_file_is_its_owners_alone(path: Path) -> None:
    """Topics are sensitive: nobody else on the machine may read the database or its journal."""
    store = await Store.open(path)
    await store.add(ADA)
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    await store.aclose()
    assert modes == {"lethe.db": 0o600, "lethe.db-wal": 0o600, "lethe.db-shm": 0o600}
