"""Our own OpenAPI document, held against what really happens: bodies drawn from it, and bodies that break it."""

from __future__ import annotations

import pytest

from gateway.app import create_app
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.protocol import EmbeddingRequest, Embeddings
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis comes with the extra `dev`")
events = pytest.importorskip("schemathesis.engine.events")

KEY = "conformance"
ANSWERED = {
    *("POST /v1/chat/completions", "POST /v1/completions", "POST /v1/responses", "POST /v1/embeddings"),
    *("GET /v1/models", "GET /metrics", "GET /readyz", "POST /admin/topics", "POST /admin/keys"),
}
"""What must have been answered at least once, or nothing was tried of it."""
MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)), active=True)


class Answering(ScriptedUpstream):
    """Always has an answer, and embeds everything alike."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Give each input the same vector."""
        return Embeddings(((1.0,),) * len(request.inputs))


class InItsLoop:
    """A gateway that is opened in the event loop in which it is asked."""

    def __init__(self, **given: object) -> None:
        self._settings = given_settings(**given)
        self._app = None

    async def __call__(self, scope, receive, send):
        """Open at the start, close at the end, and answer between them."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        async with open_gateway(self._settings, upstream=Answering(["It is Mount Ell."], model="m")) as gateway:
            await gateway.store.add(MAREN)
            self._app = create_app(gateway)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """Load the document of a gateway with one topic, to which every key is known."""
    app = InItsLoop(
        database=str(tmp_path_factory.mktemp("conformance") / "lethe.db"),
        api_key=KEY,
        admin_key=KEY,
        metrics_key=KEY,
        without_certificate="zero-evidence",
        max_body_bytes=100_000,
    )
    config = schemathesis.config.SchemathesisConfig.from_dict(
        {
            "seed": 0,
            "cache": {"enabled": False},
            "continue-on-failure": True,
            "auth": {"openapi": {"HTTPBearer": {"bearer": KEY}}},
            "generation": {"max-examples": 8, "deterministic": True, "database": "none"},
            "checks": {"positive_data_acceptance": {"enabled": False}},
            "phases": {"stateful": {"enabled": False}},
        }
    )
    return schemathesis.openapi.from_asgi("/openapi.json", app, config=config)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a body that the test itself drew
def test_nothing_happens_that_the_document_does_not_say(document):
    """No server error, no status that is not written down, and every body in the shape that is."""
    told, statuses = [], []
    for event in schemathesis.engine.from_schema(document).execute():
        if isinstance(event, events.FatalError | events.NonFatalError):
            told.append(repr(event))
        if isinstance(event, events.ScenarioFinished):
            label = event.recorder.label
            answers = [one.response for one in event.recorder.interactions.values() if one.response is not None]
            statuses += [(label, answer.status_code) for answer in answers]
            told += [_complaint(event.recorder, name, check) for name, check in _failed(event.recorder)]
    assert not told, "\n".join(told)
    assert len(statuses) > 500
    assert set() == ANSWERED - {label for label, status in statuses if status < 300}


def _failed(recorder):
    """Find the checks that failed, each with its case."""
    for name, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is not None:
                yield name, check


def _complaint(recorder, name, check):
    """Say what was sent and what is wrong with the answer."""
    sent = recorder.cases[name].value.as_curl_command()[:300]
    return f"{recorder.label}: {check.name}: {check.failure_info.failure.message} <- {sent}"
