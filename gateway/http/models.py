"""GET /v1/models: what clients may ask for."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from gateway.errors import UnknownModel
from gateway.upstream.protocol import Upstream

__all__ = ["models_router"]


def models_router(upstream: Upstream) -> APIRouter:
    """Serve the list of models and each of them."""
    router = APIRouter()

    @router.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        """List the models."""
        return {"object": "list", "data": [_entry(name) for name in await upstream.models()]}

    @router.get("/v1/models/{name:path}")
    async def get_model(name: str) -> dict[str, Any]:
        """Describe one model."""
        if name not in await upstream.models():
            raise UnknownModel("there is no such model; GET /v1/models lists them", param="model")
        return _entry(name)

    return router


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "lethe"}
