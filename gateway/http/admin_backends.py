"""/admin/backends: alternative models, for whoever has the admin key. Decodes, asks the store, encodes."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.errors import InvalidInput, NotFound
from gateway.http.health import Problems
from gateway.registering import backend_record
from gateway.store.backend_wire import BackendBody
from gateway.store.records import BackendRecord
from gateway.store.store import Store

__all__ = ["backends_router"]


class BackendShown(BaseModel):
    """A backend, and in words whether this process serves it."""

    backend: BackendBody
    fingerprint: str
    state: str


class BackendList(BaseModel):
    """All backends."""

    backends: list[BackendShown]
    revision: int


class BackendWritten(BaseModel):
    """A backend after a write (before it, where it was removed), and the revision that the write made."""

    backend: BackendBody
    fingerprint: str
    revision: int


def backends_router(store: Store, route_class: type[APIRoute], problems: Problems) -> APIRouter:
    """Serve the backends. ``problems`` says why one does not answer, by its name."""
    router = APIRouter(prefix="/admin/backends", tags=["admin"], route_class=route_class)

    @router.get("")
    async def list_backends() -> BackendList:
        """List all backends, with the topics that are routed to each."""
        record = await store.policy()
        shown = [_shown(backend, problems) for backend in record.backends]
        return BackendList(backends=shown, revision=record.revision)

    @router.post("", status_code=201)
    async def add_backend(body: BackendBody) -> BackendWritten:
        """Add a backend. Its topics are answered by it from the next request on."""
        record = await backend_record(body)
        return _written(record, await store.put_backend(record))

    @router.get("/{name:path}")
    async def get_backend(name: str) -> BackendShown:
        """Describe one backend."""
        return _shown(await _found(store, name), problems)

    @router.put("/{name:path}")
    async def replace_backend(name: str, body: BackendBody) -> BackendWritten:
        """Put a backend in the place of the one with its name, whole: its topics, too."""
        if body.name != name:
            raise InvalidInput("a backend keeps its name; remove it and add it under the new one", param="name")
        await _found(store, name)
        record = await backend_record(body)
        return _written(record, await store.put_backend(record, replace=True))

    @router.delete("/{name:path}")
    async def remove_backend(name: str) -> BackendWritten:
        """Remove a backend, and return it as it was. Its topics go back to the default model."""
        record = await _found(store, name)
        return _written(record, await store.remove_backend(name))

    return router


async def _found(store: Store, name: str) -> BackendRecord:
    for backend in (await store.policy()).backends:
        if backend.name == name:
            return backend
    raise NotFound("there is no backend with this name")


def _shown(record: BackendRecord, problems: Problems) -> BackendShown:
    state = problems().get(record.name, "not opened yet") or "open"
    return BackendShown(backend=BackendBody.from_record(record), fingerprint=record.fingerprint, state=state)


def _written(record: BackendRecord, revision: int) -> BackendWritten:
    body = BackendBody.from_record(record)
    return BackendWritten(backend=body, fingerprint=record.fingerprint, revision=revision)
