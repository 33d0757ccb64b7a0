"""Client keys: who is let in, and as whom."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.clients import ANYONE, Client, KeyRing, key_digest, new_key
from gateway.errors import Unauthenticated
from gateway.store.records import ClientKey

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def kept(name, key, backend=None, revoked_at=None):
    """Keep a key as the store does."""
    return ClientKey(name, key_digest(key), backend, NOW, revoked_at)


RING = KeyRing(
    (kept("alice", "k1", "b"), kept("bob", "k2"), kept("carl", "k3", revoked_at=NOW)), key_digest("ours")
)


@pytest.mark.parametrize(
    ("given", "client"), [("k1", Client("alice", "b")), ("k2", Client("bob")), ("ours", ANYONE)]
)
def test_a_key_is_known_by_its_digest(given, client):
    """The operator's own is nobody's in particular."""
    assert client == RING.client(given)


@pytest.mark.parametrize("given", ["", "k", "k3", "k11", "K1", key_digest("k1")])
def test_a_missing_wrong_or_revoked_key_is_refused(given):
    """The digest itself, which a thief of the database has, is no key either."""
    with pytest.raises(Unauthenticated):
        RING.client(given)


def test_anyone_may_ask_while_there_never_was_a_key():
    """Whatever they send."""
    assert [ANYONE, ANYONE] == [KeyRing(()).client(given) for given in ("", "k1")]


def test_revoking_the_last_key_opens_nothing():
    """A gateway that was closed stays closed."""
    with pytest.raises(Unauthenticated):
        KeyRing((kept("carl", "k3", revoked_at=NOW),)).client("")


def test_keys_are_long_and_never_the_same():
    """256 bits in URL-safe letters."""
    assert 43 == len(new_key().removeprefix("lethe-"))
    assert new_key() != new_key()
