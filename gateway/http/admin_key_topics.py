"""/admin/key-topics and /admin/key-fallbacks: what one key has of its own. Decodes, asks the store, encodes."""

from __future__ import annotations

from typing import Literal, Self

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, model_validator

from gateway.store.backend_wire import StrictBody
from gateway.store.records import Fallback, FallbackStyle, KeyTopic, KeyTopicKind
from gateway.store.store import Store
from gateway.store.wire import CustomFallback, FallbackBody

__all__ = ["key_topics_router"]


class KeyTopicBody(StrictBody):
    """What a key has of a topic. An exemption needs a reason, which goes into the audit log."""

    kind: KeyTopicKind
    reason: str = Field("", max_length=1000)

    @model_validator(mode="after")
    def _with_a_reason(self) -> Self:
        KeyTopic("", self.kind, self.reason)
        return self


class KeyFallbackBody(StrictBody):
    """A fallback, or null to leave it to the topics."""

    fallback: FallbackBody | None


class KeyTopicWritten(BaseModel):
    """What a key has of a topic after a change, and the revision that it made."""

    name: str
    topic: str
    kind: Literal["extra", "exempt", "ordinary"]
    revision: int


class KeyFallbackWritten(BaseModel):
    """The style of a key's own fallback after a change; null where it has none."""

    name: str
    fallback: FallbackStyle | None
    revision: int


def key_topics_router(store: Store, route_class: type[APIRoute]) -> APIRouter:
    """Serve what single keys have of their own."""
    router = APIRouter(prefix="/admin", tags=["admin"], route_class=route_class)

    @router.put("/key-topics/{topic_id}/{name:path}")
    async def put_key_topic(topic_id: str, name: str, body: KeyTopicBody) -> KeyTopicWritten:
        """Forget a topic for one key beside the active ones, or exempt the key from it."""
        if body.kind == "extra":
            revision = await store.add_key_topic(name, topic_id)
        else:
            revision = await store.exempt_key(name, topic_id, body.reason)
        return KeyTopicWritten(name=name, topic=topic_id, kind=body.kind, revision=revision)

    @router.delete("/key-topics/{topic_id}/{name:path}")
    async def drop_key_topic(topic_id: str, name: str) -> KeyTopicWritten:
        """Treat the key as all others where this topic is concerned."""
        revision = await store.drop_key_topic(name, topic_id)
        return KeyTopicWritten(name=name, topic=topic_id, kind="ordinary", revision=revision)

    @router.put("/key-fallbacks/{name:path}")
    async def put_key_fallback(name: str, body: KeyFallbackBody) -> KeyFallbackWritten:
        """Say what this key's clients read in place of an answer, whatever the topic."""
        fallback = _fallback(body.fallback)
        revision = await store.set_key_fallback(name, fallback)
        return KeyFallbackWritten(
            name=name, fallback=None if fallback is None else fallback.style, revision=revision
        )

    return router


def _fallback(body: Literal["unaware", "refuse"] | CustomFallback | None) -> Fallback | None:
    if body is None:
        return None
    return Fallback("custom", body.custom) if isinstance(body, CustomFallback) else Fallback(body)
