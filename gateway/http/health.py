"""Health: is the process alive, and may it answer. Says nothing about what is forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from fastapi import APIRouter
from fastapi.responses import JSONResponse

__all__ = ["Checks", "health_router"]

Checks: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]
"""Names each check and what is wrong with it; an empty text is fine."""


def health_router(checks: Checks) -> APIRouter:
    """Serve /healthz and /readyz."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Say that the process is alive."""
        return {"status": "alive"}

    @router.get("/readyz", responses={503: {"description": "Not ready; the body says why."}})
    async def readyz() -> JSONResponse:
        """Say whether answers can go out, and if not, why."""
        found = await checks()
        ready = not any(found.values())
        body = {
            "status": "ready" if ready else "not ready",
            "checks": {k: v or "ok" for k, v in found.items()},
        }
        return JSONResponse(body, 200 if ready else 503)

    return router
