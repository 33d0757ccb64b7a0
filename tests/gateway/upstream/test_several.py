"""Several upstreams: whose model is asked for, in which order, and that one never answers for another unasked."""

from __future__ import annotations

import pytest

from gateway.errors import UnknownModel, UpstreamUnreachable
from gateway.upstream.pool import Patience, Pool
from gateway.upstream.protocol import ChatRequest
from gateway.upstream.several import Several
from tests.gateway.upstream.servers import ASK, Clock, server

GONE = UpstreamUnreachable("gone")


def several(*pools: Pool) -> Several:
    """Put them in this order."""
    return Several(pools)


def pool(name: str, script=("yes",), models=None, **options) -> Pool:
    """A pool of one server that tries once."""
    return Pool([server(name, list(script), models=models, **options)], patience=Patience(0))


async def test_a_model_goes_to_those_that_name_it_in_their_order():
    """And a name that nobody names, to those that name none."""
    a, b, rest = pool("a", models={"m": "m", "n": "n"}), pool("b", models={"m": "B-m"}), pool("c")
    both = several(a, b, rest)
    assert [(a, b), (a,), (rest,)] == [both.generators(model) for model in ("m", "n", "other")]
    with pytest.raises(UnknownModel):
        several(a, b).generators("other")


async def test_a_renamed_model_answers_by_the_clients_name():
    """The server is asked by its own."""
    b = pool("b", models={"m": "B-m"})
    assert "m" == (await several(b).complete(ASK)).model
    assert ["B-m"] == [request.model for request in b.servers[0].upstream.requests]


async def test_those_that_keep_failing_come_last():
    """They are still there: if all fail, the first is asked."""
    clock = Clock()
    a, b = pool("a", [GONE], failures=1, clock=clock), pool("b")
    both = several(a, b)
    with pytest.raises(UpstreamUnreachable):
        await both.complete(ASK)
    assert (b, a) == both.generators("m")
    clock.now += 15
    assert (a, b) == both.generators("m")


async def test_no_other_model_answers_of_itself():
    """Its answers would go out under the first one's certificate."""
    a, b = pool("a", [GONE]), pool("b")
    with pytest.raises(UpstreamUnreachable):
        await several(a, b).complete(ASK)
    assert [] == b.servers[0].upstream.requests


async def test_a_server_is_asked_by_name():
    """As for calibrating what stands in; with the plain name's fingerprint, and for its models alone."""
    a, b = pool("a", models={"m": "m"}), pool("b", models={"m": "B-m"})
    both = several(a, b)
    (named,) = both.generators("m@b")
    said = await named.complete(ChatRequest("m@b", ()))
    assert ("m@b", b.fingerprint("m")) == (said.model, named.fingerprint("m@b"))
    assert ["B-m"] == [request.model for request in b.servers[0].upstream.requests]
    for unknown in ("n@b", "m@c", "m@"):
        with pytest.raises(UnknownModel):
            both.generators(unknown)


async def test_models_are_listed_while_one_server_answers():
    """Configured names also where theirs is away: it may come back."""

    class Away:
        async def models(self):
            raise GONE

    a, b = pool("a", models={"m": "m"}), pool("b")
    a.servers[0].upstream.models = Away().models
    assert ("m", "b") == await several(a, b).models()
    b.servers[0].upstream.models = Away().models
    with pytest.raises(UpstreamUnreachable):
        await several(a, b).models()
