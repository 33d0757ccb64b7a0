"""What a gateway under attack tells its operator in events, metrics and errors: no topic, no fact, no answer."""

from __future__ import annotations

import httpx
from attacks.asking import asked_in, hidden_trials
from attacks.server import MODEL, Hiding

from evaluation.oracle import ForbiddenStrings
from gateway.app import create_app
from gateway.demo.probes import Probe
from gateway.parts import open_gateway
from gateway.serving import serving
from gateway.settings import given_settings
from gateway.store.records import ForgetTopic
from gateway.upstream.scripted import ScriptedUpstream
from verifiers.protocol import Topic

LEAK = "Maren Oskeld was born in Seltal."
ENFORCED = ForgetTopic(Topic("maren-id", "Maren Oskeld", facts=(LEAK,)), active=True)
MONITORED = ForgetTopic(Topic("jory-id", "Jory Tamsin", aliases=("Seltal",)), active=False, monitored=True)
PROBE = Probe(
    "p", ({"role": "user", "content": "Where was Maren Oskeld born?"},), "direct", LEAK, ("Seltal",), "m"
)
TELLING = ForbiddenStrings.of(["Maren", "Oskeld", "Seltal", "maren-id", "Jory", "jory-id"])


async def test_events_and_metrics_of_an_attacked_gateway_name_no_topic(tmp_path, capfd, caplog):
    """Every channel, whole and streamed, an enforced topic and a monitored one; nothing is written besides."""
    caplog.set_level("DEBUG")
    events: list[str] = []
    server = Hiding(ScriptedUpstream([LEAK], model=MODEL))
    async with serving(server.app()) as bare:
        settings = given_settings(
            database=str(tmp_path / "lethe.db"),
            upstream_url=f"{bare}/v1",
            upstream_retries=0,
            breaker_failures=1000,
            without_certificate="zero-evidence",
            streaming="segment",
            metrics_key="k",
            rounds=2,
        )
        async with (
            open_gateway(
                settings, report=lambda event, fields: events.append(f"{event} {dict(fields)}")
            ) as gateway,
            serving(create_app(gateway)) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as http,
        ):
            await gateway.store.add(ENFORCED, MONITORED)
            for trial in [*hidden_trials([PROBE]), *asked_in([PROBE])]:
                await http.post(trial.path, json={**trial.body, "stream": True})
            await http.post("/v1/chat/completions", json={"model": "Seltal", "messages": []})
            await gateway.monitoring.settled()
            metrics = (await http.get("/metrics", headers={"authorization": "Bearer k"})).text
    written = capfd.readouterr()
    logged = [record.getMessage() for record in caplog.records if record.name.startswith(("gateway", "uvicorn"))]
    assert "answered" in " ".join(events)
    assert "lethe_" in metrics
    for text in ("\n".join(events), metrics, written.out, written.err, "\n".join(logged)):
        assert not TELLING.leaks(text)


async def test_a_monitored_topic_changes_nothing_that_a_client_sees(tmp_path):
    """Byte by byte but for ids and times: its answers go out with all that an unguarded model's have."""
    shown = []
    for topics in ((), (ForgetTopic(ENFORCED.topic, active=False, monitored=True),)):
        server = Hiding(ScriptedUpstream([LEAK], model=MODEL))
        async with serving(server.app()) as bare:
            settings = given_settings(database=str(tmp_path / f"{len(topics)}.db"), upstream_url=f"{bare}/v1")
            async with open_gateway(settings) as gateway, serving(create_app(gateway)) as url:
                await gateway.store.add(*topics)
                async with httpx.AsyncClient(base_url=url, timeout=30) as http:
                    body = {"model": MODEL, "messages": list(PROBE.messages), "user": "top_logprobs/0"}
                    answer = await http.post("/v1/chat/completions", json=body)
                    vector = await http.post("/v1/embeddings", json={"model": MODEL, "input": "Maren Oskeld"})
        shown.append(
            (answer.json()["choices"], answer.json()["usage"], sorted(answer.headers), vector.status_code)
        )
    assert shown[0] == shown[1]
