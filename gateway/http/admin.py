"""/admin: topics and the policy's state, for whoever has the admin key. Decodes, asks the store, encodes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

from gateway.http.admin_admins import admins_router
from gateway.http.admin_backends import backends_router
from gateway.http.admin_certificates import certificates_router
from gateway.http.admin_key_topics import key_topics_router
from gateway.http.admin_keys import keys_router
from gateway.http.admin_verifiers import ModeBody, verifiers_router
from gateway.http.health import Problems
from gateway.settings import Settings
from gateway.store.store import Store
from gateway.store.wire import PrivateTopicBody, TopicBody, topic_body

__all__ = ["CertificateState", "CertificateStates", "admin_router"]


@dataclass(frozen=True, slots=True)
class CertificateState:
    """The id of the certificate under which answers go out, if they do, and in words whether and why."""

    id: str | None
    state: str


CertificateStates: TypeAlias = Callable[[], Awaitable[Mapping[str, CertificateState]]]
"""Say it of each model by its name, the default one first."""


async def _unknown() -> Mapping[str, CertificateState]:
    return {}


Revision: TypeAlias = Callable[[], int | None]
"""Tell the revision by which this process serves."""


def _no_revision() -> int | None:
    return None


class TopicList(BaseModel):
    """All topics, active or not."""

    topics: list[TopicBody | PrivateTopicBody]
    revision: int


class TopicWritten(BaseModel):
    """A topic after a write (before it, where it was removed), and the revision that the write made."""

    topic: TopicBody | PrivateTopicBody
    revision: int


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """By which revision a replica serves, and its version."""

    revision: int
    version: str


class Status(BaseModel):
    """What is in force. ``certificates`` are by model, ``backends`` say why one does not answer, or "open".

    ``revision`` is the database's, ``process_revision`` the one by which the process that answers here serves.
    ``replicas`` are all that serve from a shared database and said so in the last seconds; none with a file, where
    each process asks at each request.
    """

    revision: int
    process_revision: int | None
    topics: int
    active_topics: int
    keys: int
    certificates: dict[str, CertificateState]
    backends: dict[str, str]
    replicas: dict[str, ReplicaState]


def admin_router(
    store: Store,
    *,
    route_class: type[APIRoute],
    settings: Settings,
    certificate_states: CertificateStates = _unknown,
    problems: Problems = dict,
    revision: Revision = _no_revision,
) -> APIRouter:
    """Serve the admin API by routes that ask who is there: see ``admin_lock.by_role``."""
    router = APIRouter()
    router.include_router(_status_router(store, route_class, certificate_states, problems, revision))
    router.include_router(_topics_router(store, route_class))
    router.include_router(verifiers_router(store, route_class, settings))
    router.include_router(backends_router(store, route_class, problems))
    router.include_router(keys_router(store, route_class))
    router.include_router(key_topics_router(store, route_class))
    router.include_router(admins_router(store, route_class))
    router.include_router(certificates_router(store, route_class))
    return router


def _status_router(
    store: Store,
    route_class: type[APIRoute],
    certificate_states: CertificateStates,
    problems: Problems,
    revision: Revision,
) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["admin"], route_class=route_class)

    @router.get("/status")
    async def status() -> Status:
        """Say what is in force."""
        record = await store.policy()
        certificates = dict(await certificate_states())
        return Status(
            revision=record.revision,
            process_revision=revision(),
            topics=len(record.topics),
            active_topics=len(record.active_topics),
            keys=sum(key.revoked_at is None for key in record.keys),
            certificates=certificates,
            backends={one.name: problems().get(one.name, "not opened yet") or "open" for one in record.backends},
            replicas={one.name: ReplicaState(one.revision, one.version) for one in await store.replicas()},
        )

    return router


def _topics_router(store: Store, route_class: type[APIRoute]) -> APIRouter:
    router = APIRouter(prefix="/admin", tags=["admin"], route_class=route_class)

    @router.get("/topics")
    async def list_topics() -> TopicList:
        """List all topics, active or not."""
        record = await store.policy()
        bodies = [topic_body(topic) for topic in record.topics]
        return TopicList(topics=bodies, revision=record.revision)

    @router.post("/topics", status_code=201)
    async def add_topic(body: TopicBody) -> TopicWritten:
        """Add a topic, active unless the body says otherwise."""
        topic = body.to_topic()
        return TopicWritten(revision=await store.add(topic), topic=topic_body(topic))

    @router.get("/topics/{topic_id}")
    async def get_topic(topic_id: str) -> TopicBody | PrivateTopicBody:
        """Describe one topic."""
        return topic_body(await store.topic(topic_id))

    @router.put("/topics/{topic_id}")
    async def replace_topic(topic_id: str, body: TopicBody) -> TopicWritten:
        """Replace a topic whole: what the body leaves out goes back to its default."""
        topic = body.to_topic(topic_id)
        revision = await store.replace(topic_id, topic)
        return TopicWritten(revision=revision, topic=topic_body(topic))

    @router.delete("/topics/{topic_id}")
    async def remove_topic(topic_id: str) -> TopicWritten:
        """Remove a topic, and return it as it was."""
        topic = topic_body(await store.topic(topic_id))
        return TopicWritten(topic=topic, revision=await store.remove(topic_id))

    @router.put("/topics/{topic_id}/mode")
    async def set_topic_mode(topic_id: str, body: ModeBody) -> TopicWritten:
        """Forget a topic, only count what forgetting it would do, or neither, from the next request on."""
        revision = await store.set_mode(topic_id, body.mode)
        return TopicWritten(topic=topic_body(await store.topic(topic_id)), revision=revision)

    @router.post("/topics/{topic_id}/activate")
    async def activate_topic(topic_id: str) -> TopicWritten:
        """Begin to forget a topic, from the next request on."""
        revision = await store.set_active(topic_id, True)
        return TopicWritten(topic=topic_body(await store.topic(topic_id)), revision=revision)

    @router.post("/topics/{topic_id}/deactivate")
    async def deactivate_topic(topic_id: str) -> TopicWritten:
        """Cease to forget a topic, from the next request on."""
        revision = await store.set_active(topic_id, False)
        return TopicWritten(topic=topic_body(await store.topic(topic_id)), revision=revision)

    return router
