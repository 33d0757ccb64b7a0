"""The breaker: when a server is left alone, and what brings it back."""

from __future__ import annotations

import pytest

from gateway.upstream.breaker import Breaker
from tests.gateway.upstream.servers import Clock


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def opened(clock: Clock) -> Breaker:
    """A breaker of two failures and ten seconds that has just opened."""
    breaker = Breaker(2, 10.0, clock)
    for _ in range(2):
        breaker.enter()
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_and_not_before(clock):
    """An answer between them begins the count anew."""
    breaker, seen = Breaker(2, 10.0, clock), []
    for end in (breaker.failed, breaker.succeeded, breaker.failed, breaker.failed):
        breaker.enter()
        end()
        seen.append(breaker.state)
    assert ["closed", "closed", "closed", "open"] == seen
    assert (False, 10.0) == (breaker.admits, breaker.wait_s)


def test_after_the_pause_one_request_tries_it_and_no_second(clock):
    """Many at once would fall over a server that is just getting up."""
    breaker = opened(clock)
    clock.now += 9.9
    assert not breaker.admits
    clock.now += 0.1
    assert ("half-open", True) == (breaker.state, breaker.admits)
    breaker.enter()
    assert not breaker.admits


@pytest.mark.parametrize(("ended", "state", "admits"), [("succeeded", "closed", True), ("failed", "open", False)])
def test_how_the_try_ends_decides(clock, ended, state, admits):
    """Back in service, or another whole pause."""
    breaker = opened(clock)
    clock.now += 10
    breaker.enter()
    getattr(breaker, ended)()
    assert (state, admits) == (breaker.state, breaker.admits)
    assert (0.0 if admits else 10.0) == breaker.wait_s


def test_a_try_whose_client_goes_away_makes_room_for_another(clock):
    """It showed nothing; without this the server would never be asked again."""
    breaker = opened(clock)
    clock.now += 10
    breaker.enter()
    breaker.undecided()
    assert ("half-open", True) == (breaker.state, breaker.admits)


def test_failures_of_requests_from_before_do_not_prolong_the_pause(clock):
    """A hundred that were under way when it died fail later than the first ones."""
    breaker = opened(clock)
    clock.now += 5
    breaker.failed()
    assert 5.0 == breaker.wait_s
