"""Bodies that cannot be answered: each an error in the OpenAI shape that names the fault and quotes nothing."""

from __future__ import annotations

import httpx
import pytest

GOOD = '{"model": "m", "messages": [{"role": "user", "content": "Seltal?"}]}'


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ("", 400, None),
        ("Seltal", 400, None),
        ("[]", 400, None),
        ("{}", 400, "model"),
        ('{"model": "m"}', 400, "messages"),
        ('{"model": "m", "messages": []}', 400, "messages"),
        ('{"model": "m", "messages": "Seltal"}', 400, "messages"),
        ('{"model": "m", "messages": [{"content": "Seltal"}]}', 400, "messages.0.role"),
        (GOOD.replace("}]", '}], "n": 0'), 400, "n"),
        (GOOD.replace("}]", '}], "n": 1000'), 400, "n"),
        (GOOD.replace("}]", '}], "stream": "Seltal"'), 400, "stream"),
        (GOOD.replace("Seltal?", "S" * 5000), 413, None),
    ],
)
async def test_a_malformed_body_is_named(start, body, status, param):
    """400 with the field, 413 for one that is too large."""
    async with start(["fine"], max_body_bytes=4000) as started, httpx.AsyncClient() as client:
        answer = await client.post(f"{started.url}/v1/chat/completions", content=body)
    error = answer.json()["error"]
    assert (status, {"message", "type", "param", "code"}, param) == (
        answer.status_code,
        set(error),
        error["param"],
    )
    assert "Seltal" not in answer.text
    assert [] == started.upstream.requests


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/v1/chat/completions", 405)]
)
async def test_a_wrong_path_or_method_has_the_same_shape(start, method, path, status):
    """Also what no route answers."""
    async with start(["fine"]) as started, httpx.AsyncClient() as client:
        answer = await client.request(method, started.url + path)
    assert (status, True) == (answer.status_code, "message" in answer.json()["error"])
    assert answer.headers["x-request-id"].startswith("req_")


async def test_a_body_announced_too_large_is_refused_before_it_is_read(start):
    """By its content-length alone."""
    async with start(["fine"], max_body_bytes=4000) as started, httpx.AsyncClient() as client:
        answer = await client.post(f"{started.url}/v1/chat/completions", content=b" " * 100_000)
    assert 413 == answer.status_code


async def test_messages_of_an_unknown_shape_are_refused(start):
    """Content that cannot be read cannot be judged either."""
    body = {"model": "m", "messages": [{"role": "user", "content": 7}]}
    async with start(["fine"]) as started, httpx.AsyncClient() as client:
        answer = await client.post(f"{started.url}/v1/chat/completions", json=body)
    assert 400 == answer.status_code


async def test_health_is_open_and_says_nothing_of_what_is_forgotten(start):
    """Alive, and ready or not; no topic's name."""
    async with start(["fine"], api_key="k") as started, httpx.AsyncClient() as client:
        alive = await client.get(f"{started.url}/healthz")
        ready = await client.get(f"{started.url}/readyz")
    assert (200, 200) == (alive.status_code, ready.status_code)
    assert "maren" not in (alive.text + ready.text).lower()


async def test_a_database_that_is_gone_lets_nothing_out(start):
    """A clear 503 instead of an answer under a policy that cannot be read."""
    async with start(["It is Mount Ell."]) as started, httpx.AsyncClient() as client:
        started.gateway.store.database.path.unlink()
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        answer = await client.post(f"{started.url}/v1/chat/completions", json=body)
        ready = await client.get(f"{started.url}/readyz")
    assert (503, 503) == (answer.status_code, ready.status_code)
    assert "Ell" not in answer.text
    assert str(started.gateway.store.database.path) not in answer.text
