"""Servers of the same weights: what is tried again, where, after which pause, and what is not."""

from __future__ import annotations

from random import Random

import pytest

from gateway.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamGarbage,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.upstream.failing import pause_s, repeatable, servers_fault, standing_in_helps
from gateway.upstream.pool import Patience, Pool
from gateway.upstream.protocol import ChatRequest
from tests.gateway.upstream.servers import ASK, Clock, server

GONE = UpstreamUnreachable("gone")
CUT = UpstreamUnreachable("cut", answer_begun=True)


def rejected(status: int, retry_after: str | None = None) -> UpstreamRejected:
    """An answer with an error status."""
    return UpstreamRejected("no", upstream_status=status, retry_after=retry_after)


AGAIN, FAULT, ELSEWHERE = True, True, True


@pytest.mark.parametrize(
    ("error", "again", "fault", "elsewhere"),
    [
        (GONE, AGAIN, FAULT, ELSEWHERE),
        (CUT, False, FAULT, ELSEWHERE),
        (UpstreamTimeout("slow", phase="connect"), AGAIN, FAULT, ELSEWHERE),
        (UpstreamTimeout("slow", phase="read"), False, FAULT, ELSEWHERE),
        (rejected(429), AGAIN, False, ELSEWHERE),
        (rejected(502), AGAIN, FAULT, ELSEWHERE),
        (rejected(503), AGAIN, FAULT, ELSEWHERE),
        (rejected(504), AGAIN, FAULT, ELSEWHERE),
        (rejected(500), False, FAULT, ELSEWHERE),
        (rejected(401), False, False, ELSEWHERE),
        (rejected(400), False, False, False),
        (rejected(404), False, False, False),
        (rejected(422), False, False, False),
        (UpstreamGarbage("odd"), False, False, ELSEWHERE),
        (UpstreamBusy("full", retry_after_s=1), False, False, ELSEWHERE),
    ],
)
def test_what_a_failure_means(error, again, fault, elsewhere):
    """For another attempt, for the server's breaker, and for another model."""
    assert (again, fault, elsewhere) == (repeatable(error), servers_fault(error), standing_in_helps(error))


def test_pauses_double_and_are_spread_over_all_of_their_range():
    """Nobody comes back in step with others."""
    chance = Random(1)
    drawn = [[pause_s(GONE, attempt, 10.0, chance) for _ in range(200)] for attempt in (1, 2, 3, 9)]
    assert [(True, True)] * 4 == [
        (max(some) <= most, max(some) - min(some) > 0.9 * most)
        for some, most in zip(drawn, (0.25, 0.5, 1.0, 10.0), strict=True)
    ]


@pytest.mark.parametrize("asked", ["11", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1e9", ""])
def test_a_server_that_asks_for_too_long_a_pause_is_left_alone(asked):
    """Coming back sooner would be no help, and waiting that long none for the client."""
    assert pause_s(rejected(429, asked), 1, 10.0, Random(1)) is None


def test_a_pause_that_the_server_asks_for_is_kept():
    """And a little more, so that not all come back in one moment."""
    pauses = [pause_s(rejected(429, "2.5"), 1, 10.0, Random(seed)) for seed in range(50)]
    assert 2.5 <= min(pauses) < max(pauses) <= 2.75


async def test_a_request_is_tried_again_as_often_as_the_operator_says():
    """And the retries are counted."""
    one = server("a", [GONE, rejected(503), "yes"])
    said = await Pool([one], patience=Patience(2, 0.001)).complete(ASK)
    assert ("yes", 2, 3) == (said.choices[0].message["content"], one.retries, len(one.upstream.requests))


@pytest.mark.parametrize(
    ("script", "asked"), [([GONE, GONE, "yes"], 2), ([CUT, "yes"], 1), ([rejected(400), "yes"], 1)]
)
async def test_what_cannot_help_is_not_tried(script, asked):
    """Neither more often than allowed, nor after something of an answer had come."""
    one = server("a", script)
    with pytest.raises(UpstreamError):
        await Pool([one], patience=Patience(1, 0.001)).complete(ASK)
    assert asked == len(one.upstream.requests)


async def test_another_server_of_the_same_weights_steps_in_at_once():
    """Without the pause that the failing one asked for."""
    limited = rejected(429, "9")
    servers = [server(name, lambda request: limited) for name in "ab"]
    pool = Pool(servers, weights="w", patience=Patience(1, 10.0))
    usual = pool._chosen("m", lambda: repr([]), set())
    other = next(one for one in servers if one is not usual)
    other.upstream._script = lambda request: "yes"
    said = await pool.complete(ChatRequest("m", ()))
    assert "yes" == said.choices[0].message["content"]


async def test_a_conversation_goes_to_one_server_while_others_get_theirs():
    """The second round finds the first one's prefix in the cache."""
    servers = [server(name, ["yes"]) for name in "abc"]
    pool = Pool(servers, weights="w")
    for number in range(60):
        first = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": f"Question {number}"})
        await pool.complete(ChatRequest("m", first))
        await pool.complete(ChatRequest("m", (*first, {"role": "assistant", "content": "x"})))
    asked = [[request.messages[1]["content"] for request in one.upstream.requests] for one in servers]
    assert 60 == sum(len(set(one)) for one in asked)
    assert [True] * 3 == [len(one) >= 20 for one in asked]


async def test_a_server_without_room_sends_its_conversations_to_the_least_busy():
    """Keeping to one's own is worth less than an answer."""
    servers = [server(name, ["yes"], running=1, waiting=0) for name in "ab"]
    pool = Pool(servers, weights="w")
    usual = pool._chosen("m", lambda: repr([]), set())
    async with usual.gate:
        await pool.complete(ChatRequest("m", ()))
    assert [0] == [len(one.upstream.requests) for one in servers if one is usual]


async def test_failures_open_the_breaker_and_refusals_do_not():
    """A server that says no is alive; a fallback of ours was an answer of its."""
    clock = Clock()
    one = server("a", [rejected(400)] * 9 + [UpstreamGarbage("odd")] * 9 + [GONE], clock=clock)
    pool = Pool([one], patience=Patience(0))
    states = []
    for _ in range(21):
        with pytest.raises(UpstreamError):
            await pool.complete(ASK)
        states.append(one.breaker.state)
    assert ["closed"] * 20 + ["open"] == states
    with pytest.raises(UpstreamBusy) as left_alone:
        await pool.complete(ASK)
    assert (21, 15) == (len(one.upstream.requests), left_alone.value.retry_after_s)


async def test_a_pool_names_its_weights_or_its_only_server():
    """So a certificate made with one server holds for its twin, and for no other model."""
    twins = [Pool([server(name, ["x"])], weights="w").fingerprint("m") for name in "ab"]
    alone = [Pool([server(name, ["x"])]).fingerprint("m") for name in "ab"]
    others = [
        Pool([server("a", ["x"])], weights="w").fingerprint("n"),
        Pool([server("a", ["x"])], weights="v").fingerprint("m"),
    ]
    assert (1, 5) == (len(set(twins)), len({*twins, *alone, *others}))


def test_servers_of_no_named_weights_make_no_pool():
    """Nobody said that they are the same."""
    with pytest.raises(ValueError, match="weights"):
        Pool([server("a", ["x"]), server("b", ["x"])])
