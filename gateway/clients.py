"""Client keys: who is asking, and which backend answers them. Knows no HTTP and no database.

A key is 256 random bits, so nobody can find it from its digest by trying keys: a plain SHA-256 protects it as well
as a slow hash would, and costs microseconds a request. Passwords, which people choose, would need the slow one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.errors import Unauthenticated
from gateway.store.records import NO_LIMITS, ClientKey, Fallback, KeyLimits

__all__ = ["ANYONE", "Client", "KeyRing", "Tokens", "client_of", "is_token", "key_digest", "new_key"]

_PREFIX: Final = "lethe-"


@dataclass(frozen=True, slots=True)
class Client:
    """Who is asking: the name of their key, None where no key of the store was used; their backend, if any.

    Whoever has no key of the store has no limits either. ``extra`` topics, by id, are forgotten for this client
    beside those of everybody; from ``exempt`` ones it is exempt. ``fallback`` takes the place of the topics' own.
    """

    key: str | None = None
    backend: str | None = None
    limits: KeyLimits = NO_LIMITS
    extra: frozenset[str] = frozenset()
    exempt: frozenset[str] = frozenset()
    fallback: Fallback | None = None

    def may_ask_for(self, model: str) -> bool:
        """Say whether the client's list of models, if it has one, names this one."""
        return self.limits.models is None or model in self.limits.models


ANYONE: Final = Client()


def client_of(key: ClientKey) -> Client:
    """Who sends this key."""
    extra = frozenset(one.topic_id for one in key.topics if one.kind == "extra")
    exempt = frozenset(one.topic_id for one in key.topics if one.kind == "exempt")
    return Client(key.name, key.backend, key.limits, extra, exempt, key.fallback)


class Tokens(Protocol):
    """An identity provider's bearer tokens."""

    async def name(self, token: str) -> str:
        """Verify a token and give the name of the key that it stands for. Raises ``LetheError``."""
        ...


def is_token(given: str) -> bool:
    """Tell a signed token, three parts with dots between, from a key, which has none."""
    return given.count(".") == 2 and not given.startswith(_PREFIX)


def new_key() -> str:
    """Draw a key of 256 random bits. It is shown once and kept nowhere."""
    return _PREFIX + secrets.token_urlsafe(32)


def key_digest(key: str) -> str:
    """Compute what the store keeps of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys at one moment. ``operators_digest`` is that of LETHE_API_KEY, None where it is not set.

    ``anyone`` may ask while there never was a key, unless there are other ways to be let in.
    """

    keys: Sequence[ClientKey]
    operators_digest: str | None = None
    anyone: bool = True

    def client(self, given: str) -> Client:
        """Find who sends this key ("" for none). Raises ``Unauthenticated``.

        Anyone may ask while there never was a key. A revoked key counts as one: revoking the last must not
        open the gateway. Looks at every digest, so the time says nothing of which one nearly fits.
        """
        if self.anyone and not self.keys and self.operators_digest is None:
            return ANYONE
        digest, found = key_digest(given), None
        if self.operators_digest is not None and secrets.compare_digest(digest, self.operators_digest):
            found = ANYONE
        for key in self.keys:
            if secrets.compare_digest(digest, key.digest) and key.revoked_at is None:
                found = client_of(key)
        if found is None:
            raise Unauthenticated("the API key is missing or wrong; send it as a bearer token")
        return found

    def named(self, name: str) -> Client:
        """Give whom the key of this name stands for. Raises ``Unauthenticated`` where there is none any more."""
        for key in self.keys:
            if key.name == name and key.revoked_at is None:
                return client_of(key)
        raise Unauthenticated("the token is not valid here")
