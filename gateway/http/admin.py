"""/admin: topics and the policy's state, for whoever has the admin key. Decodes, asks the store, encodes."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.errors import Forbidden, Unauthenticated
from gateway.store.records import PolicyRecord
from gateway.store.store import Store
from gateway.store.wire import TopicBody

__all__ = ["CertificateCheck", "CertificateState", "admin_router", "stored_certificate"]


@dataclass(frozen=True, slots=True)
class CertificateState:
    """The active certificate's id, if there is one, and in words whether answers go out under it."""

    id: str | None
    state: str


CertificateCheck: TypeAlias = Callable[[PolicyRecord], Awaitable[CertificateState]]


async def stored_certificate(record: PolicyRecord) -> CertificateState:
    """Say what the store knows: which certificate is active, not whether it matches the running gateway."""
    if record.certificate is None:
        return CertificateState(None, "none")
    return CertificateState(str(record.certificate.get("id", "")) or None, "active")


class TopicList(BaseModel):
    """All topics, active or not."""

    topics: list[TopicBody]
    revision: int


class TopicWritten(BaseModel):
    """A topic after a write (before it, where it was removed), and the revision that the write made."""

    topic: TopicBody
    revision: int


class Status(BaseModel):
    """What is in force."""

    revision: int
    topics: int
    active_topics: int
    certificate: CertificateState


def admin_router(
    store: Store, *, admin_key: str | None, certificate_check: CertificateCheck = stored_certificate
) -> APIRouter:
    """Serve the admin API. Without an ``admin_key`` it is closed to everybody."""
    router = APIRouter(prefix="/admin", tags=["admin"], route_class=_locked(admin_key))

    @router.get("/status")
    async def status() -> Status:
        """Say what is in force."""
        record = await store.policy()
        return Status(
            revision=record.revision,
            topics=len(record.topics),
            active_topics=len(record.active_topics),
            certificate=await certificate_check(record),
        )

    @router.get("/topics")
    async def list_topics() -> TopicList:
        """List all topics, active or not."""
        record = await store.policy()
        bodies = [TopicBody.from_topic(topic) for topic in record.topics]
        return TopicList(topics=bodies, revision=record.revision)

    @router.post("/topics", status_code=201)
    async def add_topic(body: TopicBody) -> TopicWritten:
        """Add a topic, active unless the body says otherwise."""
        topic = body.to_topic()
        return TopicWritten(revision=await store.add(topic), topic=TopicBody.from_topic(topic))

    @router.get("/topics/{topic_id}")
    async def get_topic(topic_id: str) -> TopicBody:
        """Describe one topic."""
        return TopicBody.from_topic(await store.topic(topic_id))

    @router.put("/topics/{topic_id}")
    async def replace_topic(topic_id: str, body: TopicBody) -> TopicWritten:
        """Replace a topic whole: what the body leaves out goes back to its default."""
        topic = body.to_topic(topic_id)
        revision = await store.replace(topic_id, topic)
        return TopicWritten(revision=revision, topic=TopicBody.from_topic(topic))

    @router.delete("/topics/{topic_id}")
    async def remove_topic(topic_id: str) -> TopicWritten:
        """Remove a topic, and return it as it was."""
        topic = TopicBody.from_topic(await store.topic(topic_id))
        return TopicWritten(topic=topic, revision=await store.remove(topic_id))

    @router.post("/topics/{topic_id}/activate")
    async def activate_topic(topic_id: str) -> TopicWritten:
        """Begin to forget a topic, from the next request on."""
        revision = await store.set_active(topic_id, True)
        return TopicWritten(topic=TopicBody.from_topic(await store.topic(topic_id)), revision=revision)

    @router.post("/topics/{topic_id}/deactivate")
    async def deactivate_topic(topic_id: str) -> TopicWritten:
        """Cease to forget a topic, from the next request on."""
        revision = await store.set_active(topic_id, False)
        return TopicWritten(topic=TopicBody.from_topic(await store.topic(topic_id)), revision=revision)

    return router


def _locked(admin_key: str | None) -> type[APIRoute]:
    """Make the routes ask for the key before anything of the body is read, which a dependency would not."""

    class Locked(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            open_route = super().get_route_handler()

            async def handle(request: Request) -> Response:
                _require_key(request, admin_key)
                return await open_route(request)

            return handle

    return Locked


def _require_key(request: Request, admin_key: str | None) -> None:
    if not admin_key:
        raise Forbidden("the admin API is closed; set LETHE_ADMIN_KEY to open it")
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = request.headers.get("x-admin-key") or (bearer.strip() if scheme.lower() == "bearer" else "")
    # Header bytes reach us as Latin-1, whatever they were.
    if not secrets.compare_digest(given.encode("latin-1"), admin_key.encode()):
        raise Unauthenticated("the admin key is missing or wrong; send it as a bearer token or in x-admin-key")
