"""/admin/certificates: which there are and which is in force. Decodes, asks the store, encodes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.certificates import activate_stored
from gateway.errors import NotFound
from gateway.store.records import KeptCertificate
from gateway.store.store import Store

__all__ = ["certificates_router"]


class CertificateShown(BaseModel):
    """A certificate by its id, and when it was last put in force."""

    id: str
    active: bool
    added_at: datetime
    activated_at: datetime | None


class CertificateList(BaseModel):
    """All certificates, the newest first."""

    certificates: list[CertificateShown]


class CertificateBody(BaseModel):
    """A certificate with its body, which `lethe certificate verify` reads."""

    certificate: CertificateShown
    body: dict[str, Any]


class CertificateWritten(BaseModel):
    """The certificate that is in force after a change, and the revision that it made; null where none is."""

    id: str | None
    revision: int


def certificates_router(store: Store, route_class: type[APIRoute]) -> APIRouter:
    """Serve the certificates."""
    router = APIRouter(prefix="/admin", tags=["admin"], route_class=route_class)

    @router.get("/certificates")
    async def list_certificates() -> CertificateList:
        """List all certificates."""
        return CertificateList(certificates=[_shown(one) for one in await store.certificates()])

    @router.get("/certificates/{certificate_id}")
    async def get_certificate(certificate_id: str) -> CertificateBody:
        """Give one certificate whole."""
        for one in await store.certificates():
            if one.id == certificate_id:
                return CertificateBody(certificate=_shown(one), body=dict(one.body))
        raise NotFound("there is no certificate with this id")

    @router.post("/deactivate-certificates")
    async def deactivate_certificates() -> CertificateWritten:
        """Leave none in force, whatever its model: nothing guarded goes out until there is one."""
        return CertificateWritten(id=None, revision=await store.deactivate_certificate())

    @router.post("/certificates/{certificate_id}/activate")
    async def activate_certificate(certificate_id: str) -> CertificateWritten:
        """Put one in force in place of its model's other, once it was computed again from its evidence."""
        return CertificateWritten(id=certificate_id, revision=await activate_stored(store, certificate_id))

    @router.post("/certificates/{certificate_id}/rollback")
    async def roll_back_certificate(certificate_id: str) -> CertificateWritten:
        """Put in force again what was before this one, for the same model."""
        revision, back = await store.roll_back_certificate(certificate_id)
        return CertificateWritten(id=back, revision=revision)

    return router


def _shown(kept: KeptCertificate) -> CertificateShown:
    return CertificateShown(id=kept.id, active=kept.active, added_at=kept.added_at, activated_at=kept.activated_at)
