"""Metrics over HTTP: what was counted, and who may read it."""

from __future__ import annotations

import httpx
import pytest

from gateway.errors import UpstreamUnreachable

LEAK = "Maren Oskeld was born in Seltal."
ASK = [{"role": "user", "content": "Where was Maren Oskeld born?"}]
KEY = {"authorization": "Bearer numbers"}


async def scraped(started, headers=KEY):
    """GET /metrics."""
    async with httpx.AsyncClient() as client:
        return await client.get(f"{started.url}/metrics", headers=headers)


async def test_outcomes_rounds_and_calls_are_counted_and_nothing_said_is_quoted(start):
    """A released answer after two rounds, then one that was blocked."""
    async with start([LEAK, "I do not know.", LEAK], metrics_key="numbers", rounds=2) as started:
        for _ in range(2):
            await started.openai.chat.completions.create(model="m", messages=ASK)
        text = (await scraped(started)).text
    assert 'lethe_answers_total{outcome="released"} 1.0' in text
    assert 'lethe_answers_total{outcome="blocked"} 1.0' in text
    assert 'lethe_upstream_seconds_count{result="done"} 4.0' in text
    assert "lethe_verifier_seconds_count 4.0" in text
    assert ("lethe_active_topics 1.0" in text, "lethe_certificate_in_force 0.0" in text) == (True, True)
    assert [] == [word for word in ("Maren", "maren", "Seltal", "oskeld") if word in text]


async def test_a_failure_is_counted_as_one(start):
    """The client got an error, not an answer."""
    async with start([UpstreamUnreachable("gone")], metrics_key="numbers") as started:
        with pytest.raises(Exception, match="502"):
            await started.openai.chat.completions.create(model="m", messages=ASK)
        text = (await scraped(started)).text
    assert 'lethe_answers_total{outcome="failed"} 1.0' in text
    assert 'lethe_upstream_seconds_count{result="failed"} 1.0' in text


@pytest.mark.parametrize(("setting", "headers", "status"), [(None, KEY, 403), ("numbers", {}, 401)])
async def test_metrics_are_closed_without_their_key(start, setting, headers, status):
    """How much is forgotten is nobody's business but the operator's."""
    given = {} if setting is None else {"metrics_key": setting}
    async with start(["x"], **given) as started:
        assert status == (await scraped(started, headers)).status_code
