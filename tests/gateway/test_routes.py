"""Which model answers a request, under which certificate: keys, names and topics, and all that fails closed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from calibration.issue import issue_certificate
from calibration.trajectories import Candidate, Recording, Trajectory
from gateway.certificates import activate_certificate
from gateway.clients import Client
from gateway.errors import InvalidInput, UpstreamUnreachable
from gateway.guard.loop import FellBack, Released
from gateway.guard.policy import Bounded, Closed
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.records import BackendRecord, Checkpoint, ForgetTopic, Server
from gateway.upstream.pinned import Pinned
from gateway.upstream.protocol import Capabilities, ChatRequest
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

MAREN, JORUN = ForgetTopic(Topic("maren", "Maren Oskeld")), ForgetTopic(Topic("jorun", "Jorun Vaskil"))
ABOUT_MAREN, ABOUT_BOTH, ABOUT_HILLS = (
    "Who is Maren Oskeld?",
    "Jorun Vaskil or Maren Oskeld?",
    "Which hill is tallest?",
)


class Shelf:
    """Opens scripted models that say their own name; those of no version cannot be opened."""

    def __init__(self):
        self.asked = {}

    def capabilities(self, place):
        """Do nothing beyond plain answers."""
        return Capabilities()

    def open(self, name, place):
        """Open the model that the place names."""
        if place.model == "broken":
            raise InvalidInput("no checkpoint")
        self.asked[place.model] = ScriptedUpstream([f"I am {place.model}."], model=place.model)
        return Pinned(self.asked[place.model], place.model)


def backend(name, *topics, model=None):
    """Describe a backend of the shelf."""
    model = model or name
    fingerprint = ScriptedUpstream(["x"]).fingerprint(model)
    return BackendRecord(name, Server("http://h/v1", model), fingerprint, None, topics)


@dataclass
class Desk:
    """A gateway before scripted models, and who is asked what."""

    gateway: object
    shelf: Shelf

    async def put(self, *backends, replace=False):
        """Add backends."""
        for one in backends:
            await self.gateway.store.put_backend(one, replace=replace)

    async def ask(self, text, model="m", client=None):
        """Ask and give the outcome."""
        request = ChatRequest(model, ({"role": "user", "content": text},))
        return await self.gateway.ask(request, *([client] if client else []))

    async def says(self, text, model="m", client=None):
        """Ask and read the answer that was released, or why there is none."""
        outcome = await self.ask(text, model, client)
        return outcome.choices[0].message["content"] if isinstance(outcome, Released) else outcome.reason

    async def certify(self, model):
        """Put a certificate for a model in force, as calibrating now would make it."""
        async with self.gateway.policies.for_calibration(model) as subject:
            bindings = replace(subject.bindings, prompts="p")
        prompts = tuple(Trajectory(f"p{n}", (Candidate(0, 0.5, leak=True),), topic="maren") for n in range(60))
        made = issue_certificate(
            Recording(bindings, prompts), level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z"
        )
        await activate_certificate(self.gateway.store, made)
        return made

    async def rule(self, model="m"):
        """Say what has to hold for a model's answers."""
        return (await self.gateway.policies.now(model))[1]


@pytest.fixture
def desk(tmp_path: Path):
    """Open gateways on one database."""

    @asynccontextmanager
    async def opened(*topics, without="zero-evidence"):
        settings = given_settings(
            database=str(tmp_path / "l.db"),
            without_certificate=without,
            rounds=1,
            verifiers=("verbatim",),  # which find nothing in what these models say
            screened_verifiers=(),
        )
        shelf, default = Shelf(), ScriptedUpstream(["I am m."], model="m")
        async with open_gateway(settings, upstream=default, opener=shelf) as gateway:
            if topics:
                await gateway.store.add(*topics)
            yield Desk(gateway, shelf)

    return opened


async def test_a_key_goes_before_a_name_and_a_name_before_a_topic(desk):
    """And where nothing decides, the default answers."""
    async with desk(MAREN) as it:
        await it.put(backend("routed", "maren"), backend("named"), backend("keyed"))
        keyed = Client("alice", "keyed")
        answers = [
            await it.says(ABOUT_MAREN, "named", keyed),
            await it.says(ABOUT_MAREN, "named"),
            await it.says(ABOUT_MAREN),
            await it.says(ABOUT_HILLS),
            await it.says(ABOUT_MAREN, client=Client("bob")),
        ]
    assert ["I am keyed.", "I am named.", "I am routed.", "I am m.", "I am routed."] == answers


async def test_names_and_keys_decide_where_no_topic_is_active(desk):
    """And a topic that is switched off routes nothing."""
    async with desk(replace(MAREN, active=False)) as it:
        await it.put(backend("b", "maren"))
        said = [
            await it.says(ABOUT_MAREN),
            await it.says(ABOUT_MAREN, "b"),
            await it.says("?", "m", Client("a", "b")),
        ]
    assert ["I am m.", "I am b.", "I am b."] == said


async def test_topics_routed_apart_go_to_the_backend_of_most_and_of_equals_to_one_and_the_same(desk):
    """Whatever the backends are called: the fingerprint decides, as the certificate binds it."""
    third = ForgetTopic(Topic("third", "Selka Brandt"))
    async with desk(MAREN, JORUN, third) as it:
        await it.put(backend("a", "maren", model="one"), backend("b", "jorun", model="two"))
        first = await it.says(ABOUT_BOTH)
        await it.gateway.store.remove_backend("a")
        await it.gateway.store.remove_backend("b")
        await it.put(backend("z", "maren", model="one"), backend("y", "jorun", model="two"))
        assert first == await it.says(ABOUT_BOTH)
        await it.put(backend("y", "jorun", "third", model="two"), replace=True)
        most = await it.says(ABOUT_BOTH + " Or Selka Brandt?")
        await it.put(backend("y", "jorun", model="two"), backend("z", "maren", "third", model="one"), replace=True)
        assert ("I am two.", "I am one.") == (most, await it.says(ABOUT_BOTH + " Or Selka Brandt?"))


async def test_every_generator_needs_a_certificate_of_its_own(desk):
    """One for the default says nothing of a backend, and both can be in force."""
    async with desk(MAREN, without="fallback") as it:
        await it.put(backend("b"))
        default = await it.certify("m")
        assert (Bounded(0.5, default.id), "uncertified") == (await it.rule(), await it.says(ABOUT_MAREN, "b"))
        own = await it.certify("b")
        assert [Bounded(0.5, default.id), Bounded(0.5, own.id)] == [await it.rule(), await it.rule("b")]
        assert "none of the 2 active certificates" in (await it.rule("other")).reason


async def test_routing_a_topic_ends_the_certificate_that_was_made_before(desk):
    """The mixture of models is another generator; unrouting it brings the old promise back."""
    async with desk(MAREN, without="fallback") as it:
        before = await it.certify("m")
        await it.put(backend("b", "maren"))
        rule = await it.rule()
        assert isinstance(rule, Closed)
        assert "(generator)" in rule.reason
        assert isinstance(await it.ask(ABOUT_MAREN), FellBack)
        routed = await it.certify("m")
        assert (Bounded(0.5, routed.id), "I am b.") == (await it.rule(), await it.says(ABOUT_MAREN))
        await it.gateway.store.route_topics("b", [])
        assert Bounded(0.5, before.id) == await it.rule()


async def test_switching_a_routed_topic_off_keeps_the_certificate(desk):
    """No counted trajectory touched two topics, so those that are left were answered as they are now."""
    async with desk(MAREN, JORUN, without="fallback") as it:
        await it.put(backend("b", "jorun"))
        made = await it.certify("m")
        await it.gateway.store.set_active("jorun", False)
        assert Bounded(0.5, made.id) == await it.rule()


async def test_another_checkpoint_ends_the_certificate_of_the_old_one(desk):
    """From the next request on, once it is open; the default's certificate stays."""
    async with desk(MAREN, without="fallback") as it:
        await it.put(backend("b"))
        made, default = await it.certify("b"), await it.certify("m")
        assert Bounded(0.5, made.id) == await it.rule("b")
        await it.put(backend("b", model="two"), replace=True)
        await it.gateway.policies.settled()
        assert isinstance(await it.rule("b"), Closed)
        assert Bounded(0.5, default.id) == await it.rule()


async def test_a_backend_that_cannot_be_opened_is_answered_by_nobody_else(desk):
    """Not by key, name or topic; the default and its certificate are not disturbed."""
    async with desk(MAREN, without="fallback") as it:
        await it.put(backend("b", "maren", model="broken"))
        await it.certify("m")
        for text, model, client in ((ABOUT_MAREN, "m", None), ("?", "b", None), ("?", "m", Client("a", "b"))):
            if model == "b" or client:
                await it.certify("b")
            with pytest.raises(UpstreamUnreachable):
                await it.ask(text, model, client)
        assert "I am m." == await it.says(ABOUT_HILLS)
        assert {"b": "no checkpoint"} == await it.gateway.policies.settled()


async def test_a_key_whose_backend_has_gone_gets_no_other_model(desk):
    """As when the key was looked up a moment before the backend was removed."""
    async with desk() as it:
        with pytest.raises(UpstreamUnreachable):
            await it.ask("?", "m", Client("alice", "gone"))


async def test_a_request_ends_on_the_model_that_it_began_with(desk):
    """Its backend is removed in the middle of its first round."""
    async with desk(MAREN) as it:
        await it.put(backend("b", "maren"))
        await it.gateway.policies.settled()
        model = it.shelf.asked["b"]
        quick, began, go_on = model.complete, asyncio.Event(), asyncio.Event()

        async def slow(request):
            began.set()
            await go_on.wait()
            return await quick(request)

        model.complete = slow
        asked = asyncio.create_task(it.says(ABOUT_MAREN))
        await began.wait()
        await it.gateway.store.remove_backend("b")
        assert ("I am m.", False) == (await it.says(ABOUT_MAREN), model.closed)
        go_on.set()
        assert "I am b." == await asked
        await asyncio.sleep(0)
        assert model.closed


async def test_a_key_made_or_revoked_leaves_the_indexes_as_they_are(desk):
    """Only a change of topics is worth building them again."""
    async with desk(MAREN) as it:
        before, _ = await it.gateway.policies.now("m")
        await it.gateway.store.add_key("alice", "d")
        after, _ = await it.gateway.policies.now("m")
        assert (before.screen, before.revision + 1) == (after.screen, after.revision)


async def test_the_models_of_a_client_are_all_or_the_one_of_its_key(desk):
    """A backend is listed whether it can be opened or not."""
    async with desk() as it:
        await it.put(backend("b", model="broken"))
        await it.gateway.policies.settled()
        assert ("m", "b") == await it.gateway.models(Client())
        assert ("b",) == await it.gateway.models(Client("alice", "b"))


async def test_a_checkpoint_in_this_process_is_not_looked_for_elsewhere(tmp_path):
    """Without an opener of its own the gateway opens what the store names."""
    settings = given_settings(database=str(tmp_path / "l.db"))
    async with open_gateway(settings, upstream=ScriptedUpstream(["x"], model="m")) as gateway:
        await gateway.store.put_backend(BackendRecord("b", Checkpoint(tmp_path / "none"), "f"))
        assert "There is no model at" in (await gateway.policies.settled())["b"]
        with pytest.raises(UpstreamUnreachable):
            await gateway.ask(ChatRequest("b", ()))
