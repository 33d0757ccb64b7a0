"""POST /admin/audits: labels of audited answers, for whoever has the admin key. Decodes, asks, encodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from gateway.drift.watch import Labelled
from gateway.http.health import Problems

__all__ = ["LabelAudits", "audits_router"]

LabelAudits: TypeAlias = Callable[[Mapping[str, Sequence[Labelled]]], Awaitable[tuple[int, int]]]
"""Take labels by certificate; says how many were new, and how many are of certificates that are not in force."""


class AuditLine(BaseModel):
    """A labelled line of the audit file, whose other fields may stay; without a number, one audited elsewhere."""

    model_config = ConfigDict(extra="ignore", strict=True)

    certificate: str
    leaked: bool
    number: int | None = Field(None, ge=1)
    probability: float | None = Field(None, gt=0, le=1)


class AuditLines(BaseModel):
    """Labelled lines, in their order."""

    audits: list[AuditLine] = Field(min_length=1)


class AuditsTaken(BaseModel):
    """How many labels were new, and were of certificates that are no longer in force; what the monitors found."""

    new: int
    past: int
    drift: dict[str, str]


def audits_router(label: LabelAudits, notes: Problems, route_class: type[APIRoute]) -> APIRouter:
    """Serve the audits by routes that ask who is there."""
    router = APIRouter(prefix="/admin/audits", tags=["admin"], route_class=route_class)

    @router.post("")
    async def take_audits(body: AuditLines) -> AuditsTaken:
        """Take labels, in the order of the draws. Those that came before are skipped."""
        labels: dict[str, list[Labelled]] = {}
        for line in body.audits:
            one = Labelled(line.leaked, line.number, line.probability)
            labels.setdefault(line.certificate, []).append(one)
        new, past = await label(labels)
        return AuditsTaken(new=new, past=past, drift={name: why or "ok" for name, why in notes().items()})

    return router
