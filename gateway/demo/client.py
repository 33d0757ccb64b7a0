"""The demo's client: asks the gateway over HTTP as any client would. Knows no topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.demo.probes import Probe
from verifiers.protocol import Topic

__all__ = ["Client", "Reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as the client reads it, and what the gateway discloses of how it came about."""

    text: str
    released: bool
    generations: int
    certificate: str | None


class Client:
    """Talks to one gateway at ``base_url`` with its admin key."""

    def __init__(self, base_url: str, admin_key: str, model: str) -> None:
        self._model = model
        self._http = httpx.AsyncClient(base_url=base_url, timeout=120.0, limits=httpx.Limits(max_connections=64))
        self._admin = {"authorization": f"Bearer {admin_key}"}

    async def ask(self, messages: Sequence[dict[str, str]]) -> Reply:
        """POST /v1/chat/completions."""
        body = {"model": self._model, "messages": list(messages)}
        said = (await self._sent("POST", "/v1/chat/completions", body)).json()
        lethe = said["lethe"]
        return Reply(
            text=said["choices"][0]["message"]["content"],
            released=lethe["outcome"] == "released",
            generations=lethe["generations"],
            certificate=lethe["certificate"],
        )

    async def probe(self, probe: Probe) -> Reply:
        """Ask a probe."""
        return await self.ask(probe.messages)

    async def add(self, topic: Topic) -> None:
        """POST /admin/topics: make the topic known, not yet active."""
        body = {
            "id": topic.id,
            "name": topic.name,
            "aliases": list(topic.aliases),
            "facts": list(topic.facts),
            "active": False,
        }
        await self._sent("POST", "/admin/topics", body)

    async def activate(self, topic: Topic) -> int:
        """POST /admin/topics/{id}/activate. Returns the policy's new revision."""
        return int((await self._sent("POST", f"/admin/topics/{topic.id}/activate")).json()["revision"])

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _sent(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = self._admin if path.startswith("/admin") else {}
        response = await self._http.request(method, path, json=body, headers=headers)
        response.raise_for_status()
        return response
