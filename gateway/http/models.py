"""GET /v1/models: what clients may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from fastapi import APIRouter

from gateway.clients import Client
from gateway.errors import UnknownModel
from gateway.http.clients import present_client

__all__ = ["ListModels", "models_router"]

ListModels: TypeAlias = Callable[[Client], Awaitable[tuple[str, ...]]]
"""Name the models that a client may ask for."""


def models_router(models: ListModels) -> APIRouter:
    """Serve the list of models and each of them."""
    router = APIRouter()

    @router.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        """List the models."""
        return {"object": "list", "data": [_entry(name) for name in await models(present_client())]}

    @router.get("/v1/models/{name:path}")
    async def get_model(name: str) -> dict[str, Any]:
        """Describe one model."""
        if name not in await models(present_client()):
            raise UnknownModel("there is no such model; GET /v1/models lists them", param="model")
        return _entry(name)

    return router


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "lethe"}
