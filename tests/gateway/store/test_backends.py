"""Backends, their topics, client keys and several active certificates, in a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.errors import Conflict, NotFound
from gateway.store.records import BackendRecord, Checkpoint, ClientKey, ForgetTopic, Server
from gateway.store.store import Store
from verifiers.protocol import Topic

ADA, ZOE = ForgetTopic(Topic("ada", "Ada")), ForgetTopic(Topic("zoe", "Zoë"))
HERE = BackendRecord("here", Checkpoint(Path("/models/a")), "f1", {"method": "npo"}, ("ada",))
THERE = BackendRecord("there", Server("http://h/v1", "m", "H_KEY"), "f2")


async def test_backends_come_back_as_they_went_in(store: Store) -> None:
    """Both kinds of place, with topics and an unlearning certificate; each write is one revision."""
    await store.add(ADA, ZOE)
    assert [2, 3] == [await store.put_backend(HERE), await store.put_backend(THERE)]
    assert (HERE, THERE) == (await store.policy()).backends


async def test_a_name_is_taken_once_unless_it_is_replaced(store: Store) -> None:
    """A refused write changes nothing; a replacement changes everything, or all but the topics."""
    await store.add(ADA, ZOE)
    await store.put_backend(HERE)
    with pytest.raises(Conflict):
        await store.put_backend(replace(HERE, fingerprint="f9"))
    assert (HERE,) == (await store.policy()).backends
    new = BackendRecord("here", Server("http://h/v1", "m"), "f9", None, ("zoe",))
    await store.put_backend(new, replace=True)
    assert (new,) == (await store.policy()).backends
    await store.put_backend(replace(HERE, topics=()), replace=True, keep_topics=True)
    assert (replace(HERE, topics=("zoe",)),) == (await store.policy()).backends


async def test_a_topic_has_one_backend_and_moves_to_another(store: Store) -> None:
    """Routing names all topics of a backend; what is no longer named goes back to the default."""
    await store.add(ADA, ZOE)
    await store.put_backend(HERE)
    await store.put_backend(THERE)
    await store.route_topics("there", ["zoe", "ada"])
    assert [(), ("ada", "zoe")] == [backend.topics for backend in (await store.policy()).backends]
    await store.route_topics("there", ["ada"])
    await store.route_topics("here", [])
    assert [(), ("ada",)] == [backend.topics for backend in (await store.policy()).backends]


async def test_only_what_is_there_can_be_routed(store: Store) -> None:
    """Neither an unknown topic nor an unknown backend; the whole write is undone."""
    await store.add(ADA)
    await store.put_backend(HERE)
    with pytest.raises(NotFound):
        await store.route_topics("here", ["nobody"])
    with pytest.raises(NotFound):
        await store.route_topics("nowhere", ["ada"])
    with pytest.raises(NotFound):
        await store.put_backend(replace(THERE, topics=("nobody",)))
    assert (HERE,) == (await store.policy()).backends


async def test_a_topics_route_goes_with_the_topic_and_with_the_backend(store: Store) -> None:
    """And neither takes the other along."""
    await store.add(ADA, ZOE)
    await store.put_backend(replace(HERE, topics=("ada", "zoe")))
    await store.remove("ada")
    assert ("zoe",) == (await store.policy()).backends[0].topics
    await store.remove_backend("here")
    await store.put_backend(replace(HERE, topics=()))
    assert ((ZOE,), ()) == ((await store.policy()).topics, (await store.policy()).backends[0].topics)
    with pytest.raises(NotFound):
        await store.remove_backend("nowhere")


async def test_keys_are_kept_by_their_digest_and_stay_when_revoked(address: str) -> None:
    """A name is never used twice, and a key is revoked once."""
    now = datetime(2026, 1, 31, tzinfo=UTC)
    store = await Store.open(address, clock=lambda: now)
    await store.put_backend(THERE)
    await store.add_key("alice", "d1", "there")
    await store.add_key("bob", "d2")
    await store.revoke_key("bob")
    made, revoked = (await store.policy()).keys
    assert ("alice", "d1", "there", None) == (made.name, made.digest, made.backend, made.revoked_at)
    assert ("bob", True) == (revoked.name, revoked.revoked_at is not None)
    assert isinstance(made, ClientKey)
    for refused in (store.add_key("bob", "d3"), store.add_key("alice", "d3")):
        with pytest.raises(Conflict):
            await refused
    for missing in (store.revoke_key("bob"), store.revoke_key("carl"), store.add_key("carl", "d4", "nowhere")):
        with pytest.raises(NotFound):
            await missing
    await store.aclose()


async def test_a_backend_stays_while_a_key_is_routed_to_it(store: Store) -> None:
    """Its client was promised this model; once the key is revoked it may go."""
    await store.put_backend(THERE)
    await store.add_key("alice", "d1", "there")
    with pytest.raises(Conflict, match="alice"):
        await store.remove_backend("there")
    await store.revoke_key("alice")
    await store.remove_backend("there")
    assert ((), None) == ((await store.policy()).backends, (await store.policy()).keys[0].backend)


async def test_each_generator_has_an_active_certificate_of_its_own(store: Store) -> None:
    """Activating one replaces the active one of the same generator and no other."""
    for name, generator in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        await store.put_certificate(name, {"id": name, "bindings": {"generator": generator}})
        await store.activate_certificate(name)
    assert {"a2", "b1"} == {body["id"] for body in await store.active_certificates()}
    await store.activate_certificate("a1")
    assert {"a1", "b1"} == {body["id"] for body in await store.active_certificates()}
    await store.deactivate_certificate()
    assert () == await store.active_certificates()
