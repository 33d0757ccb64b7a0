"""Sizing: the queue agrees with Erlang's formula, rounds count as load, and nothing is sized by hand."""

import numpy as np
import pytest
from sizing.demand import Demand, GatewayCost, ModelServer, need
from sizing.queueing import Arrivals, erlang_wait_s, simulate

COST = GatewayCost(plain_s=0.002, touching_s=0.003, round_s=0.001)
BARE = Demand(86_400_000, touching=0, rounds=3, prompt_tokens=100, answer_tokens=200, peak=2)


@pytest.mark.parametrize(("slots", "load"), [(1, 0.5), (4, 0.8), (16, 0.9)])
def test_the_simulated_queue_waits_as_erlang_says(slots, load):
    """Two independent ways to the mean wait of M/M/c."""
    arrivals = Arrivals(load * slots, touching=0, rounds=1)
    rng = np.random.default_rng(0)
    found = simulate(arrivals, slots=slots, service_s=1.0, constant=False, requests=60_000, rng=rng)
    assert erlang_wait_s(load * slots, slots, 1.0) == pytest.approx(found.mean_s - 1, rel=0.2)


def test_an_empty_queue_takes_as_long_as_its_rounds():
    """Nobody waits where hardly anybody comes."""
    rng = np.random.default_rng(0)
    found = simulate(
        Arrivals(0.001, touching=1, rounds=3), slots=1, service_s=0.5, constant=True, requests=500, rng=rng
    )
    assert 1.5 == pytest.approx(found.median_s)


def test_rounds_are_load_on_the_model():
    """A tenth of requests with five rounds waits longer than none of them with one."""
    one, many = (
        simulate(
            Arrivals(5.0, share, 5),
            slots=8,
            service_s=1.0,
            constant=True,
            requests=20_000,
            rng=np.random.default_rng(1),
        )
        for share in (0.0, 0.1)
    )
    assert one.p99_s < many.p99_s


def test_a_queue_that_grows_for_ever_has_no_wait():
    """It is an error, not a large number."""
    with pytest.raises(ValueError, match="slots are needed"):
        erlang_wait_s(4.0, 4, 1.0)


def test_a_day_is_sized_by_what_reaches_each_part():
    """A thousand requests a second in the mean, two thousand at the peak, checked on paper."""
    found = need(BARE, COST, ModelServer(10_000), utilisation=0.8)
    assert (86_400_000, 400_000, 50, 5) == (
        found.generations_per_day,
        found.answer_tokens_per_s,
        found.accelerators,
        found.gateway_processes,
    )
    assert (25, 20.0) == (found.database_connections, found.database_reads_per_s)


def test_what_touches_a_topic_costs_its_rounds():
    """A quarter of the requests with three generations each: half a generation more for a request."""
    touching = Demand(86_400_000, touching=0.25, rounds=3, prompt_tokens=100, answer_tokens=200, peak=2)
    assert 1.5 == touching.generations
    assert 0.75 * 0.002 + 0.25 * (0.003 + 2 * 0.001) == pytest.approx(COST.per_request_s(touching))
