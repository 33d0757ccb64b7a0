"""/admin/admins: admin keys, for whoever has the role admin. Decodes, asks the store, encodes."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.admins import new_admin_key
from gateway.clients import key_digest
from gateway.store.backend_wire import AdminKeyBody
from gateway.store.records import AdminRole
from gateway.store.store import Store

__all__ = ["admins_router"]


class AdminShown(BaseModel):
    """An admin key by its name: neither the key nor its digest."""

    name: str
    role: AdminRole
    created_at: datetime
    revoked_at: datetime | None


class AdminList(BaseModel):
    """All admin keys, revoked ones included."""

    admins: list[AdminShown]


class AdminMade(BaseModel):
    """A new admin key. This is the only time that it can be read."""

    name: str
    role: AdminRole
    key: str
    revision: int


class AdminRevoked(BaseModel):
    """The name of an admin key that is refused from now on."""

    name: str
    revision: int


def admins_router(store: Store, route_class: type[APIRoute]) -> APIRouter:
    """Serve the admin keys."""
    router = APIRouter(prefix="/admin/admins", tags=["admin"], route_class=route_class)

    @router.get("")
    async def list_admins() -> AdminList:
        """List all admin keys by name."""
        keys = await store.admin_keys()
        return AdminList(admins=[AdminShown.model_validate(key, from_attributes=True) for key in keys])

    @router.post("", status_code=201)
    async def make_admin(body: AdminKeyBody) -> AdminMade:
        """Make an admin key and show it once."""
        key = new_admin_key()
        revision = await store.add_admin_key(body.name, key_digest(key), body.role)
        return AdminMade(name=body.name, role=body.role, key=key, revision=revision)

    @router.delete("/{name:path}")
    async def revoke_admin(name: str) -> AdminRevoked:
        """Refuse an admin key from the next request on."""
        return AdminRevoked(name=name, revision=await store.revoke_admin_key(name))

    return router
