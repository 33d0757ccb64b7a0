"""A really started gateway before a model server that misbehaves; slow faults only where they are asked for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.parts import open_gateway
from gateway.running import Gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from tests.faults.model import LAKE, LEAK, SECRET, Behaviour, FaultyModel, faulty_model, saying
from tests.faults.wire import Answer, ask, exchange
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=(LEAK.strip(),)), active=True)
QUICK = {
    "without_certificate": "zero-evidence",
    "rounds": 2,
    "read_timeout_s": 0.3,
    "deadline_s": 2.0,
    "upstream_retries": 0,
    "breaker_failures": 1000,
    "max_answer_bytes": 2_000_000,
    "admin_key": "admin-key",
}


def pytest_collection_modifyitems(items):
    """Skip the tests marked ``faults`` unless `make test-faults` asks for them."""
    if os.environ.get("LETHE_TEST_FAULTS"):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("faults"):
            item.add_marker(pytest.mark.skip(reason="takes its time; `make test-faults` runs it"))


@dataclass
class Faced:
    """A gateway that faces a faulty model. ``answers`` are all that any client has got, searched in the end."""

    gateway: Gateway
    model: FaultyModel
    url: str
    reported: list[tuple[str, dict[str, object]]]
    answers: list[Answer] = field(default_factory=list)

    async def ask(self, *given: object, **more: object) -> Answer:
        """Ask as a client, and keep what came."""
        answer = await ask(self.url, *given, **more)
        self.answers.append(answer)
        return answer

    async def get(self, path: str) -> Answer:
        """Fetch a page as a client, and keep what came."""
        answer = await exchange(self.url, f"GET {path} HTTP/1.1\r\nhost: l\r\nconnection: close\r\n\r\n".encode())
        self.answers.append(answer)
        return answer

    async def recovers(self) -> bool:
        """Say whether a good request is answered now, with the model's own words."""
        self.model.behave = saying(LAKE)
        answer = await self.ask("Where is the lake?")
        return answer.status == 200 and LAKE.strip().encode() in answer.body


Face = Callable[..., AbstractAsyncContextManager[Faced]]


@pytest.fixture
def face(tmp_path: Path) -> Face:
    """Start a gateway; behind the block nothing of what it sent or reported may hold the secret."""

    @asynccontextmanager
    async def faced(behaviour: Behaviour, *, topics=(MAREN,), **settings: object) -> AsyncIterator[Faced]:
        reported: list[tuple[str, dict[str, object]]] = []

        def report(event, fields):
            reported.append((event, dict(fields)))

        async with faulty_model(behaviour) as model:
            given = {"database": str(tmp_path / "lethe.db"), "upstream_url": model.url, **QUICK, **settings}
            async with open_gateway(given_settings(**given), report=report) as gateway:
                if topics:
                    await gateway.store.add(*topics)
                patience_s = gateway.settings.client_timeout_s
                async with serving(create_app(gateway, None), client_timeout_s=patience_s) as url:
                    found = Faced(gateway, model, url, reported)
                    yield found
        assert [] == [answer for answer in found.answers if SECRET.encode() in answer.received]
        assert SECRET not in repr(reported)

    return faced
