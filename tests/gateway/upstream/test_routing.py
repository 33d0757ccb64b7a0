"""Following backends: what is open when, who waits for it, and when it is closed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.errors import InvalidInput, UpstreamUnreachable
from gateway.upstream.pinned import Pinned
from gateway.upstream.protocol import Capabilities, ChatRequest
from gateway.upstream.routing import Routing, Wanted, generator_fingerprint
from gateway.upstream.scripted import ScriptedUpstream


class Shelf:
    """Opens scripted models by the name of their place; ``slow`` places wait until they are let."""

    def __init__(self):
        self.opened = {}
        self.let = threading.Event()

    def capabilities(self, place):
        """Do nothing beyond plain answers."""
        return Capabilities()

    def open(self, name, place):
        """Open what the place's name says."""
        if place == "broken":
            raise InvalidInput("there is no checkpoint")
        if place == "burning":
            raise RuntimeError("secret words")
        if place.startswith("slow"):
            self.let.wait(5)
        self.opened[place] = ScriptedUpstream([f"says {place}"], model=place)
        return Pinned(self.opened[place], place)


def wanted(place):
    """Want a place with the fingerprint that it has."""
    return Wanted(place, ScriptedUpstream(["x"]).fingerprint(place))


def ask(model):
    """Ask a question."""
    return ChatRequest(model, ({"role": "user", "content": "?"},))


async def said(routing, model="b"):
    """Read the answer."""
    return (await routing.complete(ask(model))).choices[0].message["content"]


@pytest.fixture
async def shelf():
    """Hand out a shelf; whoever still waits for it at the end may go on."""
    made = Shelf()
    yield made
    made.let.set()


@pytest.fixture
async def routing(shelf):
    """Begin with a default model alone."""
    made = Routing(ScriptedUpstream(["says default"], model="d"), shelf)
    yield made
    shelf.let.set()
    await made.aclose()


async def test_a_name_is_answered_by_its_backend_and_any_other_by_the_default(routing):
    """Whether the default knows the name is for it to say."""
    routing.follow({"b": wanted("one")})
    assert ("says one", "says default") == (await said(routing), await said(routing, "d"))
    assert ("d", "b") == await routing.models()


async def test_an_answer_goes_by_the_name_that_was_asked_for(routing):
    """What the model is called at its own place is nobody's business."""
    routing.follow({"b": wanted("one")})
    assert "b" == (await routing.complete(ask("b"))).model


async def test_whoever_asks_for_a_backend_that_is_being_opened_waits_and_nobody_else(routing, shelf):
    """The default answers meanwhile."""
    routing.follow({"b": wanted("slow")})
    waiting = asyncio.create_task(said(routing))
    assert "says default" == await said(routing, "d")
    assert {"b": "it is being loaded"} == routing.problems()
    assert not waiting.done()
    shelf.let.set()
    assert "says slow" == await waiting
    assert {"b": ""} == routing.problems()


async def test_the_old_checkpoint_answers_until_the_new_one_is_open(routing, shelf):
    """Then the old one is closed."""
    routing.follow({"b": wanted("one")})
    await routing.settled()
    routing.follow({"b": wanted("slow")})
    assert "says one" == await said(routing)
    shelf.let.set()
    await routing.settled()
    assert "says slow" == await said(routing)
    await asyncio.sleep(0)
    assert (True, False) == (shelf.opened["one"].closed, shelf.opened["slow"].closed)


async def test_a_request_keeps_the_fleet_that_it_holds(routing, shelf):
    """Neither a removal nor a replacement closes a model under it."""
    routing.follow({"b": wanted("one")})
    await routing.settled()
    with routing.held(routing.fleet) as fleet:
        routing.follow({})
        await asyncio.sleep(0)
        assert not shelf.opened["one"].closed
        assert "says one" == (await fleet.serving("b").complete(ask("b"))).choices[0].message["content"]
        assert "says default" == await said(routing)
    await asyncio.sleep(0)
    assert shelf.opened["one"].closed


@pytest.mark.parametrize(
    ("place", "reason"), [("broken", "there is no checkpoint"), ("burning", "it cannot be opened (RuntimeError)")]
)
async def test_a_backend_that_cannot_be_opened_raises_and_no_other_answers(routing, place, reason):
    """The operator is told why; the client is not, and no library's words get through."""
    routing.follow({"b": wanted(place)})
    await routing.settled()
    with pytest.raises(UpstreamUnreachable) as refused:
        await said(routing)
    assert {"b": reason} == routing.problems()
    assert reason not in str(refused.value)
    assert "says default" == await said(routing, "d")


async def test_a_replacement_that_cannot_be_opened_does_not_leave_the_old_one_in_its_place(routing):
    """The operator has taken the old one away."""
    routing.follow({"b": wanted("one")})
    await routing.settled()
    routing.follow({"b": wanted("broken")})
    await routing.settled()
    with pytest.raises(UpstreamUnreachable):
        await said(routing)


async def test_a_checkpoint_that_is_not_the_one_that_was_added_is_not_served(routing, shelf):
    """Its files have changed; its own fingerprint stays what certificates know."""
    routing.follow({"b": Wanted("one", "another")})
    await routing.settled()
    assert "--replace" in routing.problems()["b"]
    assert shelf.opened["one"].closed
    assert "another" == routing.fingerprint("b")


async def test_what_is_opened_too_late_is_closed(routing, shelf):
    """Nobody wants it any more; who waited for it is told that there is no answer."""
    routing.follow({"b": wanted("slow")})
    waiting = asyncio.create_task(said(routing))
    await asyncio.sleep(0)
    routing.follow({"b": wanted("one")})
    await routing.settled()
    shelf.let.set()
    with pytest.raises(UpstreamUnreachable):
        await waiting
    while not shelf.opened["slow"].closed:  # noqa: ASYNC110 - closing tells nobody
        await asyncio.sleep(0.001)
    assert "says one" == await said(routing)


async def test_what_is_wanted_as_before_stays_open(routing, shelf):
    """A toggle of a topic does not load a checkpoint again."""
    routing.follow({"b": wanted("one")})
    await routing.settled()
    first = shelf.opened["one"]
    routing.follow({"b": wanted("one"), "c": wanted("two")})
    await routing.settled()
    assert first is shelf.opened["one"]


def test_a_generators_fingerprint_changes_with_everything_that_could_generate():
    """The model, the routed topics, their backends, and what these can do."""
    base, one = ScriptedUpstream(["x"]), Pinned(ScriptedUpstream(["x"]), "one")
    able = Pinned(ScriptedUpstream(["x"], capabilities=Capabilities(banned_words=True)), "one")
    two = Pinned(ScriptedUpstream(["x"]), "two")
    prints = [
        generator_fingerprint(base, model, routes)
        for model, routes in (
            ("m", {}), ("n", {}), ("m", {"t": one}), ("m", {"u": one}), ("m", {"t": two}), ("m", {"t": able}),
            ("m", {"t": one, "u": one}), ("n", {"t": one}),
        )
    ]  # fmt: skip
    assert len(prints) == len(set(prints))
    assert base.fingerprint("m") == prints[0]
