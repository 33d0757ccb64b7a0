"""The limits of client keys: buckets that fill, and meters that let in or refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients import ANYONE, Client
from gateway.errors import RateLimited
from gateway.limits import Bucket, Meters, Standing
from gateway.store.records import KeyLimits


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        """Tell the time."""
        return self.now_s


@pytest.fixture
def clock():
    """Begin at some time."""
    return Clock()


def client(**limits):
    """Make a client with these limits."""
    return Client("alice", None, KeyLimits(**limits))


def admitted(meters, who, times):
    """Try so many times, and count how often it went."""
    count = 0
    for _ in range(times):
        try:
            meters.enter(who)
            count += 1
        except RateLimited:
            pass
    return count


def test_a_bucket_holds_a_minutes_worth_and_fills_again(clock):
    """Sixty a minute are one a second."""
    bucket = Bucket(60, clock)
    bucket.spend(60)
    assert (1.0, Standing(60, 0, 60.0)) == (bucket.wait_s(), bucket.standing)
    clock.now_s += 1.5
    assert (0.0, Standing(60, 1, 58.5)) == (bucket.wait_s(), bucket.standing)
    clock.now_s += 1000
    assert Standing(60, 60, 0.0) == bucket.standing


def test_what_is_owed_is_paid_off_first(clock):
    """Thirty beyond what is there, at sixty a minute, and one more for the next."""
    bucket = Bucket(60, clock)
    bucket.spend(90)
    assert (31.0, 0) == (bucket.wait_s(), bucket.standing.remaining)


def test_exactly_as_many_requests_get_in_as_the_limit_says(clock):
    """Neither one fewer nor one more, and the refusal says when to come back."""
    meters, who = Meters(clock), client(requests_per_minute=6)
    assert 6 == admitted(meters, who, 20)
    with pytest.raises(RateLimited) as refused:
        meters.enter(who)
    assert 10 == refused.value.retry_after_s
    clock.now_s += 9.9
    assert 0 == admitted(meters, who, 1)
    clock.now_s += 0.2
    assert 1 == admitted(meters, who, 2)


@given(st.integers(1, 30), st.lists(st.floats(0, 40), max_size=40))
def test_no_stretch_of_time_sees_more_than_was_saved_and_came_in(limit, pauses):
    """Over any run: at most the limit at once, and the rate times the time beyond it."""
    clock = Clock()
    meters, who, began, count = Meters(clock), client(requests_per_minute=limit), clock(), 0
    for pause in pauses:
        clock.now_s += pause
        count += admitted(meters, who, 3)
    assert count <= limit + (clock() - began) * limit / 60 + 1e-6


def test_only_so_many_run_at_one_time(clock):
    """Whoever leaves makes room for one, however much time passes."""
    meters, who = Meters(clock), client(concurrent=2)
    assert 2 == admitted(meters, who, 5)
    clock.now_s += 1000
    assert 0 == admitted(meters, who, 1)
    meters.leave(who)
    assert 1 == admitted(meters, who, 5)


def test_one_answer_may_exceed_the_tokens_and_the_next_waits(clock):
    """Tokens are known when they are spent."""
    meters, who = Meters(clock), client(tokens_per_minute=60)
    meters.enter(who)
    meters.spend(who, 80)
    with pytest.raises(RateLimited) as refused:
        meters.enter(who)
    assert 21 == refused.value.retry_after_s
    clock.now_s += 21
    assert 1 == admitted(meters, who, 1)


def test_a_refused_request_costs_nothing(clock):
    """One that had to wait for its tokens still has its requests, and is not counted as running."""
    meters, who = Meters(clock), client(requests_per_minute=2, tokens_per_minute=60, concurrent=1)
    meters.enter(who)
    meters.leave(who)
    meters.spend(who, 100)
    assert 0 == admitted(meters, who, 5)
    assert 1 == meters.standing(who)["requests"].remaining
    clock.now_s += 1000
    assert 1 == admitted(meters, who, 1)


def test_keys_do_not_share_and_a_client_without_one_has_no_limit(clock):
    """What one key used up is there for another."""
    meters, who = Meters(clock), client(requests_per_minute=1)
    assert [1, 1] == [admitted(meters, one, 5) for one in (who, Client("bob", None, who.limits))]
    assert 100 == admitted(meters, ANYONE, 100)
    assert {} == meters.standing(ANYONE)


def test_new_limits_count_at_once_and_what_runs_still_counts(clock):
    """A looser limit does not forget a request that is under way; who leaves with old limits brings none back."""
    meters, old, new = Meters(clock), client(concurrent=1), client(concurrent=2, requests_per_minute=9)
    meters.enter(old)
    assert 1 == admitted(meters, new, 5)
    meters.spend(old, 5)
    assert 8 == meters.standing(old)["requests"].remaining
    meters.leave(old)
    assert 1 == admitted(meters, new, 5)
