"""Limits of client keys in a real database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.errors import InvalidInput, NotFound, StoreError
from gateway.store.records import NO_LIMITS, BackendRecord, KeyLimits, Server
from gateway.store.store import Store

ALL = KeyLimits(("m", "b"), 60, 9000, 4)


async def limits(store: Store) -> dict[str, KeyLimits]:
    """Read every key's limits."""
    return {key.name: key.limits for key in (await store.policy()).keys}


async def test_limits_come_back_as_they_went_in(store: Store) -> None:
    """All of them, and none."""
    await store.add_key("alice", "d1", None, ALL)
    await store.add_key("bob", "d2")
    assert {"alice": ALL, "bob": NO_LIMITS} == await limits(store)


async def test_only_what_is_named_changes(store: Store) -> None:
    """Setting one limit must not lift another; each change is one revision."""
    await store.add_key("alice", "d1", None, ALL)
    changed = KeyLimits(("m", "b"), 10, 9000, None)
    assert (2, changed) == await store.limit_key("alice", {"requests_per_minute": 10, "concurrent": None})
    assert {"alice": changed} == await limits(store)


async def test_a_key_with_a_backend_takes_no_list_of_models(store: Store) -> None:
    """Neither when it is made nor later: the two would contradict each other."""
    await store.put_backend(BackendRecord("there", Server("http://h/v1", "m"), "f2"))
    with pytest.raises(InvalidInput):
        await store.add_key("alice", "d1", "there", ALL)
    await store.add_key("alice", "d1", "there", KeyLimits(concurrent=2))
    with pytest.raises(InvalidInput):
        await store.limit_key("alice", {"models": ("m",)})
    assert {"alice": KeyLimits(concurrent=2)} == await limits(store)


async def test_no_limit_is_set_for_a_key_that_is_not_in_force(store: Store) -> None:
    """An unknown one, or a revoked one."""
    await store.add_key("alice", "d1")
    await store.revoke_key("alice")
    for name in ("alice", "bob"):
        with pytest.raises(NotFound):
            await store.limit_key(name, {"concurrent": 1})


@pytest.mark.parametrize("damage", ["models = '{}'", "models = '[]'", "models = '[1]'", "concurrent = 0"])
async def test_limits_that_cannot_be_read_are_no_freedom(execute, store: Store, damage: str) -> None:
    """The gateway answers nobody rather than letting a key ask for everything."""
    await store.add_key("alice", "d1", None, ALL)
    execute(f"UPDATE client_keys SET {damage}")
    with pytest.raises(StoreError):
        await store.policy()


@pytest.mark.parametrize("wrong", [{"models": ()}, {"concurrent": 0}, {"requests_per_minute": -1}])
def test_a_limit_that_allows_nothing_is_refused(wrong) -> None:
    """Revoking a key is what does that."""
    with pytest.raises(ValueError, match="at least"):
        KeyLimits(**wrong)


async def test_a_keys_stamps_say_that_they_are_in_utc(store: Store) -> None:
    """A time without a zone is no time for whoever reads it elsewhere."""
    await store.add_key("team", "d", None)
    await store.revoke_key("team")
    (key,) = (await store.policy()).keys
    assert [timedelta(0), timedelta(0)] == [key.created_at.utcoffset(), key.revoked_at.utcoffset()]
