"""Tricks with paths, headers and bodies: a client's key opens nothing but what is a client's."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from gateway.clients import key_digest

ADMIN = "a" * 32
ASK = {"model": "m", "messages": [{"role": "user", "content": "Where was Maren Oskeld born?"}]}
PATHS = (
    "/admin/topics",
    "//admin/topics",
    "/admin//topics",
    "/admin/topics/",
    "/%61dmin/topics",
    "/admin%2ftopics",
    "/ADMIN/topics",
    "/v1/../admin/topics",
    "/v1/%2e%2e/admin/topics",
    "/v1/models/..%2f..%2fadmin%2ftopics",
    "/admin/topics%00",
    "/metrics",
)
HEADERS = (
    {"x-forwarded-user": "admin"},
    {"x-original-url": "/admin/topics"},
    {"x-http-method-override": "DELETE"},
    {"x-forwarded-for": "127.0.0.1"},
    {"x-api-key": ADMIN},
    {"cookie": f"key={ADMIN}"},
)


@pytest.fixture
async def keyed(start):
    """A gateway with one client key, and a client that sends it."""
    async with start(["Maren Oskeld was born in Seltal."], admin_key=ADMIN, metrics_key="m" * 32) as started:
        await started.gateway.store.add_key("search", key_digest("client"))
        async with httpx.AsyncClient(base_url=started.url, headers={"authorization": "Bearer client"}) as http:
            yield http


async def sent(http: httpx.AsyncClient, *headers: str) -> str:
    """Send a request for the topics byte by byte, since clients tidy headers up; gives the status line."""
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    lines = ("GET /admin/topics HTTP/1.1", "Host: x", *headers, "Connection: close", "", "")
    writer.write("\r\n".join(lines).encode())
    answer = (await reader.read()).decode()
    writer.close()
    assert "Oskeld" not in answer or "200 OK" in answer
    return answer.partition("\r\n")[0]


async def test_no_path_leads_a_client_to_the_administration(keyed):
    """Nor does a redirect lead anywhere, which could name another server."""
    for path in PATHS:
        answer = await keyed.get(path)
        assert (path, True) == (path, answer.status_code in (401, 403, 404))
        assert "location" not in answer.headers
        assert "Oskeld" not in answer.text


async def test_no_header_makes_a_client_an_administrator(keyed):
    """Whatever a server in between would have set."""
    for header in HEADERS:
        assert 401 == (await keyed.get("/admin/topics", headers=header)).status_code


async def test_two_keys_are_none(keyed):
    """A server in between may have checked the other one."""
    admin, client = f"Authorization: Bearer {ADMIN}", "Authorization: Bearer client"
    assert "HTTP/1.1 200 OK" == await sent(keyed, admin)
    assert "HTTP/1.1 401 Unauthorized" == await sent(keyed, admin, client)
    assert "HTTP/1.1 401 Unauthorized" == await sent(keyed, client, admin)
    assert "HTTP/1.1 401 Unauthorized" == await sent(keyed, f"X-Admin-Key: {ADMIN}", "X-Admin-Key: client")


async def test_no_spelling_of_a_path_or_a_body_goes_around_the_guard(keyed):
    """Either it is the guarded endpoint, or none."""
    for path in (
        "/v1/chat/completions",
        "/v1/chat%2fcompletions",
        "/v1//chat/completions",
        "/v1/chat/completions/",
    ):
        assert "Seltal" not in (await keyed.post(path, json=ASK)).text
    hello = ASK["messages"][0] | {"content": "Hello"}
    twice = f'{{"model": "m", "messages": {json.dumps([hello])}, {json.dumps(ASK)[1:]}'
    said = await keyed.post("/v1/chat/completions", content=twice, headers={"content-type": "application/json"})
    assert "Seltal" not in said.text


async def test_what_needs_no_key_names_no_topic(keyed):
    """The OpenAPI document, and whether the gateway is ready."""
    async with httpx.AsyncClient(base_url=keyed.base_url) as anyone:
        for path in ("/openapi.json", "/readyz", "/healthz"):
            answer = await anyone.get(path)
            assert answer.status_code in (200, 503)
            assert "Seltal" not in answer.text
            assert '"maren"' not in answer.text
        for path in ("/docs", "/redoc", "/v1/models", "/metrics"):
            assert (await anyone.get(path)).status_code in (401, 404)
