"""Roles of admin keys on a started gateway: every route of the admin API needs one, and is documented with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from gateway.app import create_app
from gateway.clients import key_digest
from gateway.http.roles import ROLES
from gateway.parts import open_gateway
from gateway.settings import given_settings
from gateway.store.chain import entry_of
from gateway.upstream.scripted import ScriptedUpstream

ORDER = ("viewer", "operator", "admin")
PAGE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text(encoding="utf-8")
DOCUMENTED = dict(re.findall(r"^\| `([A-Z]+ /admin\S*)` \| (\w+) \|$", PAGE, flags=re.MULTILINE))


async def admins(started) -> None:
    """Make a key of every role that is its role's name, and one that is revoked."""
    for role in ORDER:
        await started.gateway.store.add_admin_key(role, key_digest(role), role)
    await started.gateway.store.add_admin_key("gone", key_digest("gone"), "admin")
    await started.gateway.store.revoke_admin_key("gone")


async def sent(started, method: str, path: str, key: str, body: object = None) -> httpx.Response:
    """Send a request with an admin key, and something in the place of every name of the path."""
    async with httpx.AsyncClient(base_url=started.url) as client:
        return await client.request(
            method, re.sub(r"\{[^}]*\}", "x", path), json=body, headers={"x-admin-key": key}
        )


def served(routes) -> Iterator[tuple[str, str]]:
    """Walk an app's routes, nested ones too, for those of the admin API."""
    for route in routes:
        if isinstance(route, APIRoute) and route.path.startswith("/admin"):
            yield from ((method, route.path) for method in route.methods)
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", ())
        yield from served(inner)


async def test_every_route_of_the_admin_api_has_a_role_and_every_role_a_route(tmp_path):
    """A new route without one fails here, and is closed to everybody until it has one."""
    settings = given_settings(database=str(tmp_path / "lethe.db"))
    async with open_gateway(settings, upstream=ScriptedUpstream(["x"])) as gateway:
        app = create_app(gateway)
        assert set(ROLES) == set(served(app.routes))
        told = {(method.upper(), path) for path, ways in app.openapi()["paths"].items() for method in ways}
        assert {(m, p.replace(":path", "")) for m, p in ROLES} == {one for one in told if "/admin" in one[1]}


def test_the_table_in_the_docs_is_the_one_that_is_served():
    """Route by route."""
    assert DOCUMENTED == {f"{m} {p.replace(':path', '')}": role for (m, p), role in ROLES.items()}


async def test_each_route_is_closed_to_every_role_below_its_own_and_open_from_there(start):
    """By a key of each role; what an empty body leads to behind the lock does not matter."""
    async with start(["x"], topics=(), admin_key="boss") as started:
        await admins(started)
        for (method, path), needed in ROLES.items():
            for role in ORDER:
                status = (await sent(started, method, path, role, {})).status_code
                closed = ORDER.index(role) < ORDER.index(needed)
                assert closed == (status in (401, 403)), (method, path, role, status)


@pytest.mark.parametrize("key", ["", "gone", "nobody", "client", key_digest("admin")])
async def test_no_other_key_opens_anything(start, key):
    """None, a revoked one, an unknown one, a client's, or a digest."""
    async with start(["x"], topics=()) as started:
        await admins(started)
        await started.gateway.store.add_key("client", key_digest("client"))
        assert 401 == (await sent(started, "GET", "/admin/status", key)).status_code


async def test_an_admins_key_is_no_clients_key(start):
    """Ruling the gateway is not asking it."""
    async with start(["x"], topics=()) as started:
        await admins(started)
        await started.gateway.store.add_key("client", key_digest("client"))
        async with httpx.AsyncClient(base_url=started.url) as client:
            answer = await client.get("/v1/models", headers={"authorization": "Bearer admin"})
        assert 401 == answer.status_code


async def test_the_log_names_who_wrote(start):
    """By the key's name; what LETHE_ADMIN_KEY writes is the admin's."""
    async with start(["x"], topics=(), admin_key="boss") as started:
        await admins(started)
        for key in ("operator", "boss"):
            body = {"name": f"Topic of {key}"}
            assert 201 == (await sent(started, "POST", "/admin/topics", key, body)).status_code
        entries = [entry_of(row) for row in (await started.gateway.store.audit())[1]]
    assert ["admin:operator", "admin"] == [one["who"] for one in entries if one["what"] == "topics.add"]


async def test_admin_keys_are_made_and_revoked_over_http_and_shown_once(start):
    """Only a digest is kept."""
    async with start(["x"], topics=(), admin_key="boss") as started:
        made = await sent(started, "POST", "/admin/admins", "boss", {"name": "ida", "role": "viewer"})
        key = made.json()["key"]
        assert 200 == (await sent(started, "GET", "/admin/status", key)).status_code
        listed = await sent(started, "GET", "/admin/admins", "boss")
        assert key not in listed.text
        async with httpx.AsyncClient(base_url=started.url, headers={"x-admin-key": "boss"}) as client:
            assert 200 == (await client.delete("/admin/admins/ida")).status_code
        assert 401 == (await sent(started, "GET", "/admin/status", key)).status_code


async def test_without_any_admin_key_everything_is_closed(start):
    """403, with what to do about it."""
    async with start(["x"], topics=()) as started:
        answer = await sent(started, "GET", "/admin/status", "x")
    assert 403 == answer.status_code
    assert "LETHE_ADMIN_KEY" in answer.json()["error"]["message"]
