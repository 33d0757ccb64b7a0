"""Health: is the process alive, and may it answer. Says nothing about what is forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from fastapi import APIRouter
from fastapi.responses import JSONResponse

__all__ = ["Checks", "Problems", "health_router"]

Checks: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]
"""Names each check and what is wrong with it; an empty text is fine."""

Problems: TypeAlias = Callable[[], Mapping[str, str]]
"""Names each backend and why it does not answer; an empty text is fine."""


def health_router(checks: Checks, backends: Problems = dict, drift: Problems = dict) -> APIRouter:
    """Serve /healthz and /readyz.

    A backend that is not available is shown and does not make the gateway unready: the other models answer.
    Why it is not is for the operator (GET /admin/backends): a path has no place here. Nor does a monitor of
    ``drift`` that rang: where answers must not go out, the certificate's check says so.
    """
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
        body: dict[str, Any] = {
            "status": "ready" if ready else "not ready",
            "checks": {k: v or "ok" for k, v in found.items()},
        }
        if problems := backends():
            body["backends"] = {name: "not available" if why else "ok" for name, why in problems.items()}
        if rung := drift():
            body["drift"] = {name: why or "ok" for name, why in rung.items()}
        return JSONResponse(body, 200 if ready else 503)

    return router
