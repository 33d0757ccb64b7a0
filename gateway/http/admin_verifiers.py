"""/admin/verifiers: the verifiers' modes, for whoever has the admin key. Decodes, asks the store, encodes."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.settings import Settings
from gateway.store.backend_wire import StrictBody
from gateway.store.records import Mode
from gateway.store.store import Store
from gateway.verifier_modes import modes_in_force, require_applicable

__all__ = ["ModeBody", "verifiers_router"]


class ModeBody(StrictBody):
    """A mode to set."""

    mode: Mode


class VerifierList(BaseModel):
    """The mode of every configured verifier, by its name."""

    verifiers: dict[str, Mode]
    revision: int


class VerifierWritten(BaseModel):
    """A verifier after a change, and the revision that it made."""

    name: str
    mode: Mode
    revision: int


def verifiers_router(store: Store, route_class: type[APIRoute], settings: Settings) -> APIRouter:
    """Serve the modes of the verifiers that these settings have."""
    router = APIRouter(prefix="/admin/verifiers", tags=["admin"], route_class=route_class)

    @router.get("")
    async def list_verifiers() -> VerifierList:
        """List the configured verifiers with their modes."""
        record = await store.policy()
        return VerifierList(verifiers=modes_in_force(settings, record.verifier_modes), revision=record.revision)

    @router.put("/{name}/mode")
    async def set_verifier_mode(name: str, body: ModeBody) -> VerifierWritten:
        """Set a verifier's mode from the next request on; one that cannot be followed is refused."""
        require_applicable(settings, (await store.policy()).verifier_modes, name, body.mode)
        revision = await store.set_verifier_mode(name, body.mode)
        return VerifierWritten(name=name, mode=body.mode, revision=revision)

    return router
