"""Topics and fallbacks of single keys on a started gateway: more by will, fewer by a logged exemption alone."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from openai import AsyncOpenAI

from calibration.issue import issue_certificate
from calibration.trajectories import Candidate, Recording, Trajectory
from gateway.certificates import activate_certificate
from gateway.clients import ANYONE, Client, key_digest
from gateway.guard.fallback import UNAWARE
from gateway.guard.policy import Bounded, Closed
from gateway.store.chain import entry_of
from gateway.store.records import Fallback, ForgetTopic
from verifiers.protocol import Topic

LEAK = "Maren Oskeld was born in Seltal."
MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=(LEAK,)))
JORIS = ForgetTopic(Topic("joris", "Joris Tal", facts=("Joris Tal was born in Brenn.",)))
OFF = replace(MAREN, active=False)
EXTRA = Client("alice", extra=frozenset({"maren"}))


async def said(started, key: str) -> str:
    """Ask about Maren with a key."""
    async with AsyncOpenAI(base_url=f"{started.url}/v1", api_key=key, max_retries=0) as client:
        messages = [{"role": "user", "content": "Where was Maren Oskeld born?"}]
        done = await client.chat.completions.create(model="m", messages=messages)
    return done.choices[0].message.content


async def keyed(started, *names: str) -> None:
    """Make keys that are their names."""
    for name in names:
        await started.gateway.store.add_key(name, key_digest(name))


async def certify(started, *, named: bool = True):
    """Certify what is enforced for anybody; returns the certificate."""
    async with started.gateway.policies.for_calibration("m") as subject:
        bindings = replace(subject.bindings, prompts="p")
    leak, topic = (Candidate(0, 0.5, leak=True),), "joris" if named else None
    recording = Recording(bindings, tuple(Trajectory(f"p{n}", leak, topic=topic) for n in range(60)))
    made = issue_certificate(recording, level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z")
    await activate_certificate(started.gateway.store, made)
    return made


async def rule_for(started, client: Client):
    """Give the release rule for a client."""
    async with started.gateway.policies.serving("m", client) as served:
        return served.rule


async def test_a_topic_of_one_key_is_forgotten_for_that_key_alone(start):
    """It is off for everybody else."""
    async with start(lambda request: LEAK, topics=(OFF,)) as started:
        await keyed(started, "alice", "bob")
        await started.gateway.store.add_key_topic("alice", "maren")
        assert (UNAWARE, LEAK) == (await said(started, "alice"), await said(started, "bob"))
        await started.gateway.store.drop_key_topic("alice", "maren")
        assert LEAK == await said(started, "alice")


async def test_an_exempt_key_is_answered_as_if_the_topic_were_off(start):
    """And the log says who is exempt from what, and why."""
    async with start(lambda request: LEAK, topics=(MAREN,)) as started:
        await keyed(started, "alice", "bob")
        await started.gateway.store.exempt_key("bob", "maren", "her own counsel")
        assert (UNAWARE, LEAK) == (await said(started, "alice"), await said(started, "bob"))
        entry = entry_of((await started.gateway.store.audit())[1][-1])
    told = {"key": "bob", "topic_id": "maren", "kind": "exempt", "reason": "her own counsel"}
    assert ("keys.exempt", told) == (entry["what"], entry["after"])


async def test_a_key_may_have_a_fallback_of_its_own(start):
    """Whatever the topic's is."""
    topic = replace(MAREN, fallback=Fallback("refuse"))
    async with start(lambda request: LEAK, topics=(topic,)) as started:
        await keyed(started, "alice", "bob")
        await started.gateway.store.set_key_fallback("alice", Fallback("custom", "Ask the desk."))
        assert "Ask the desk." == await said(started, "alice")
        assert "can't help" in await said(started, "bob")
        await started.gateway.store.set_key_fallback("alice", None)
        assert "can't help" in await said(started, "alice")


async def test_a_certificate_covers_what_some_key_has_beyond_and_each_keys_own_set(start):
    """Calibrating records all that is forgotten for anybody; every key has a subset of it."""
    async with start(["x"], topics=(OFF, JORIS), without_certificate="fallback") as started:
        await keyed(started, "alice")
        await started.gateway.store.add_key_topic("alice", "maren")
        made = await certify(started)
        assert {"maren", "joris"} == set(made.bindings.topics)
        exempt = Client("bob", exempt=frozenset({"maren"}))
        for client in (ANYONE, EXTRA, exempt):
            assert Bounded(0.5, made.id) == await rule_for(started, client)


async def test_a_key_with_a_topic_that_was_not_calibrated_is_closed_and_the_others_are_not(start):
    """Its promise would be about another set."""
    async with start(["x"], topics=(OFF, JORIS), without_certificate="fallback") as started:
        await certify(started)
        assert isinstance(await rule_for(started, ANYONE), Bounded)
        assert isinstance(await rule_for(started, EXTRA), Closed)


async def test_an_exemption_needs_a_certificate_that_covers_subsets(start):
    """Fewer topics are another set where cross-talk was not counted."""
    async with start(["x"], topics=(MAREN, JORIS), without_certificate="fallback") as started:
        await certify(started, named=False)
        exempt = Client("bob", exempt=frozenset({"maren"}))
        assert isinstance(await rule_for(started, ANYONE), Bounded)
        assert isinstance(await rule_for(started, exempt), Closed)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "extra"}, 200),
        ({"kind": "exempt", "reason": "r"}, 200),
        ({"kind": "exempt"}, 422),
        ({"kind": "exempt", "reason": "  "}, 422),
        ({"kind": "none"}, 422),
    ],
)
async def test_over_http_an_exemption_needs_its_reason(start, body, status):
    """A key may have more without one."""
    async with start(["x"], topics=(OFF,), admin_key="boss") as started:
        await keyed(started, "team/alice")
        async with httpx.AsyncClient(headers={"x-admin-key": "boss"}, base_url=started.url) as client:
            put = await client.put("/admin/key-topics/maren/team/alice", json=body)
            assert status == put.status_code
            dropped = await client.delete("/admin/key-topics/maren/team/alice")
            assert (200 if status == 200 else 404) == dropped.status_code
            told = await client.put("/admin/key-fallbacks/team/alice", json={"fallback": {"custom": "Desk."}})
            assert ("custom", 200) == (told.json()["fallback"], told.status_code)
            assert "custom" == (await client.get("/admin/keys")).json()["keys"][0]["fallback"]
