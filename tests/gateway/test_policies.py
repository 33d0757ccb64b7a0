"""The policy in force: read anew after every write, and never an old one."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace

import pytest

from calibration.issue import issue_certificate
from calibration.trajectories import Candidate, Recording, Trajectory
from gateway.certificates import activate_certificate
from gateway.clients import ANYONE, Client
from gateway.errors import StoreError
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Closed, Panel
from gateway.opening import Backends
from gateway.policies import Exceptions, Policies
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.store.store import Store
from gateway.upstream.routing import Routing
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.lexical import Lexical
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld"))


@pytest.fixture
async def store(tmp_path):
    """Open a store with one topic."""
    opened = await Store.open(tmp_path / "lethe.db")
    await opened.add(MAREN)
    yield opened
    await opened.aclose()


def policies(store, **exceptions):
    """Follow the store, with a loop of three rounds."""
    plan, panel = LoopPlan(rounds=3), Panel((Lexical(),))
    routing = Routing(ScriptedUpstream(["x"]), Backends(given_settings()))
    return Policies(store, routing, panel, plan, Exceptions(**exceptions), verify_timeout_s=1.0)


def behind_its_back(store, statement):
    """Change the database as another program would."""
    with sqlite3.connect(store.database.path) as connection:
        connection.execute(statement)
    connection.close()


async def certify(store, made):
    """Put a certificate for the model "m" in force."""
    async with made.for_calibration("m") as subject:
        bindings = replace(subject.bindings, prompts="p")
    prompts = tuple(Trajectory(f"p{n}", (Candidate(0, 0.5, leak=True),), topic="maren") for n in range(60))
    certificate = issue_certificate(
        Recording(bindings, prompts), level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z"
    )
    await activate_certificate(store, certificate)
    return certificate


async def test_a_certificate_counts_for_its_model_alone(store):
    """Whichever model is asked first."""
    made = policies(store)
    certificate = await certify(store, made)
    for _ in range(2):
        assert Bounded(0.5, certificate.id) == (await made.now("m"))[1]
        assert isinstance((await made.now("other"))[1], Closed)


async def test_the_bindings_name_the_plans_rounds(store):
    """And nothing that was not configured."""
    made = policies(store)
    async with made.for_calibration("m") as subject:
        assert 3 == subject.bindings.rounds


async def test_after_a_read_that_failed_the_old_policy_is_not_used(store):
    """Neither at once nor at the next request."""
    made = policies(store)
    await made.now("m")
    behind_its_back(store, "UPDATE topics SET name = ''")
    for _ in range(3):
        with pytest.raises(StoreError):
            await made.now("m")


async def test_an_unreadable_certificate_closes_even_where_zero_evidence_would_do(store):
    """Somebody has changed what the operator activated."""
    made = policies(store, without_certificate="zero-evidence")
    await certify(store, made)
    behind_its_back(store, "UPDATE certificates SET body = '{}'")
    rule = (await made.now("m"))[1]
    assert isinstance(rule, Closed)
    assert "cannot be read" in rule.reason


async def test_a_clients_topics_are_worked_out_once_a_revision(store):
    """Not at every request: of 2,000 topics that would take half a millisecond."""
    in_force = await policies(store)._in_force()
    assert {"maren"} == in_force.active(ANYONE)
    assert in_force.active(ANYONE) is in_force.active(Client("alice"))
    assert set() == in_force.active(Client("bob", exempt=frozenset({"maren"})))


async def test_a_write_counts_from_the_next_turn_of_the_event_loop(store):
    """What runs in one turn was asked for before it began, and looks at the database once."""
    made = policies(store)
    before = (await made.now("m"))[0].revision
    assert before == (await made.now("m"))[0].revision
    behind_its_back(store, "UPDATE policy SET revision = revision + 1")
    in_this_turn = (await made.now("m"))[0].revision
    await asyncio.sleep(0)
    assert [before, before + 1] == [in_this_turn, (await made.now("m"))[0].revision]
