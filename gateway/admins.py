"""Admin keys: who may see, operate and rule the gateway. Apart from client keys; knows no HTTP and no database."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.clients import key_digest
from gateway.errors import Forbidden, Unauthenticated
from gateway.store.records import AdminKey, AdminRole

__all__ = ["CLOSED", "Admin", "admin_named", "admin_of", "new_admin_key"]

CLOSED: Final = "this is closed; set LETHE_ADMIN_KEY, or make a key with `lethe admins create`, to open it"

_ORDER: Final[tuple[AdminRole, ...]] = ("viewer", "operator", "admin")
_PREFIX: Final = "lethe-admin-"


@dataclass(frozen=True, slots=True)
class Admin:
    """Somebody with an admin key. Without a name it is whoever has LETHE_ADMIN_KEY."""

    name: str | None
    role: AdminRole

    def may(self, needed: AdminRole) -> bool:
        """Say whether the role has what is needed: each role may what those before it may."""
        return _ORDER.index(self.role) >= _ORDER.index(needed)

    @property
    def logged(self) -> str:
        """How the audit log calls them."""
        return "admin" if self.name is None else f"admin:{self.name}"


def new_admin_key() -> str:
    """Draw a key of 256 random bits. It is shown once and kept nowhere."""
    return _PREFIX + secrets.token_urlsafe(32)


def admin_named(name: str, keys: Sequence[AdminKey]) -> Admin:
    """Give who has the admin key of this name. Raises ``Unauthenticated`` where there is none, or no more."""
    for key in keys:
        if key.name == name and key.revoked_at is None:
            return Admin(key.name, key.role)
    raise Unauthenticated("the token is not valid here")


def admin_of(given: str, keys: Sequence[AdminKey], *, own: str | None) -> Admin:
    """Find who sends this key ("" for none); ``own`` is LETHE_ADMIN_KEY.

    Raises ``Forbidden`` where there is no key at all, and ``Unauthenticated`` for a wrong or revoked one. Looks at
    every digest, so the time says nothing of which one nearly fits.
    """
    if own is None and not keys:
        raise Forbidden(CLOSED)
    digest, found = key_digest(given), None
    if own is not None and secrets.compare_digest(digest, key_digest(own)):
        found = Admin(None, "admin")
    for key in keys:
        if secrets.compare_digest(digest, key.digest) and key.revoked_at is None:
            found = Admin(key.name, key.role)
    if found is None:
        raise Unauthenticated("the key is missing or wrong; send it as a bearer token or in x-admin-key")
    return found
