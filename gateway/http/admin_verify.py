"""POST /admin/verify: judge an exchange without generating, for whoever has the admin key. Holds no logic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, model_validator

from gateway.guard.given import Judgement
from gateway.store.backend_wire import StrictBody

__all__ = ["GivenExchange", "Judged", "VerifyGiven", "verify_router"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement, by the policy of this revision and the certificate of this model."""

    judgement: Judgement
    model: str
    revision: int


class GivenExchange(StrictBody):
    """A conversation, either as a prompt or as messages, and the answer to judge."""

    answer: str
    prompt: str | None = Field(None, description="One message of a user.")
    messages: list[dict[str, Any]] | None = Field(None, min_length=1, description="As in a chat completion.")
    model: str | None = Field(None, min_length=1, description="Whose certificate counts; the default model's.")

    @model_validator(mode="after")
    def _one_conversation(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either `prompt` or `messages`")
        return self

    @property
    def said(self) -> tuple[dict[str, Any], ...]:
        """The conversation as messages."""
        return ({"role": "user", "content": self.prompt},) if self.messages is None else tuple(self.messages)


class Finding(BaseModel):
    """One piece of evidence."""

    topic: str
    verifier: str
    leakage: float
    reason: str
    words: list[str]


class Verified(BaseModel):
    """What was found. ``score`` is null where nothing was judged; ``why`` is the rule, or why nothing was."""

    score: float | None
    would_release: bool
    why: str
    topics: list[str]
    evidence: list[Finding]
    model: str
    revision: int


VerifyGiven: TypeAlias = Callable[[GivenExchange], Awaitable[Judged]]
"""Judge it; raises ``LetheError``."""


def verify_router(verify: VerifyGiven, route_class: type[APIRoute]) -> APIRouter:
    """Serve it by routes that ask who is there."""
    router = APIRouter(prefix="/admin", tags=["admin"], route_class=route_class)

    @router.post("/verify")
    async def verify_exchange(body: GivenExchange) -> Verified:
        """Say whether this answer would go out now, and what was found in it. No model is asked."""
        judged = await verify(body)
        found = judged.judgement
        evidence = [
            Finding(topic=e.topic_id, verifier=e.verifier, leakage=e.leakage, reason=e.reason, words=list(e.words))
            for e in found.evidence
        ]
        return Verified(
            score=found.score,
            would_release=found.would_release,
            why=found.why,
            topics=sorted(found.topics),
            evidence=evidence,
            model=judged.model,
            revision=judged.revision,
        )

    return router
