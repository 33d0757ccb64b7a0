"""/admin/keys: client keys, for whoever has the admin key. Decodes, asks the store, encodes."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.clients import key_digest, new_key
from gateway.store.backend_wire import KeyBody, LimitsBody
from gateway.store.records import ClientKey, FallbackStyle, KeyLimits, KeyTopic
from gateway.store.store import Store

__all__ = ["keys_router"]


class KeyShown(BaseModel):
    """A key by its name, with its limits: neither the key nor its digest."""

    name: str
    backend: str | None
    limits: KeyLimits
    topics: list[KeyTopic]
    fallback: FallbackStyle | None
    created_at: datetime
    revoked_at: datetime | None


class KeyList(BaseModel):
    """All keys, revoked ones included."""

    keys: list[KeyShown]
    revision: int


class KeyMade(BaseModel):
    """A new key. This is the only time that it can be read."""

    name: str
    backend: str | None
    limits: KeyLimits
    key: str
    revision: int


class KeyLimited(BaseModel):
    """All limits of a key after a change."""

    name: str
    limits: KeyLimits
    revision: int


class KeyRevoked(BaseModel):
    """The name of a key that is refused from now on."""

    name: str
    revision: int


def keys_router(store: Store, route_class: type[APIRoute]) -> APIRouter:
    """Serve the client keys."""
    router = APIRouter(prefix="/admin/keys", tags=["admin"], route_class=route_class)

    @router.get("")
    async def list_keys() -> KeyList:
        """List all keys by name."""
        record = await store.policy()
        return KeyList(keys=[_shown(key) for key in record.keys], revision=record.revision)

    @router.post("", status_code=201)
    async def make_key(body: KeyBody) -> KeyMade:
        """Make a key and show it once. From now on every client must send one."""
        key, limits = new_key(), body.limits
        revision = await store.add_key(body.name, key_digest(key), body.backend, limits)
        return KeyMade(name=body.name, backend=body.backend, limits=limits, key=key, revision=revision)

    @router.patch("/{name:path}")
    async def limit_key(name: str, body: LimitsBody) -> KeyLimited:
        """Set some limits of a key from the next request on; what the body leaves out stays as it is."""
        revision, limits = await store.limit_key(name, body.changes())
        return KeyLimited(name=name, limits=limits, revision=revision)

    @router.delete("/{name:path}")
    async def revoke_key(name: str) -> KeyRevoked:
        """Refuse a key from the next request on."""
        return KeyRevoked(name=name, revision=await store.revoke_key(name))

    return router


def _shown(key: ClientKey) -> KeyShown:
    return KeyShown(
        name=key.name,
        backend=key.backend,
        limits=key.limits,
        topics=list(key.topics),
        fallback=None if key.fallback is None else key.fallback.style,
        created_at=key.created_at,
        revoked_at=key.revoked_at,
    )
