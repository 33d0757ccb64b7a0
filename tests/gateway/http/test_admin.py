"""The admin API on a tiny app with a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from gateway.http.admin import CertificateState, admin_router
from gateway.http.admin_lock import by_role, finding_admins
from gateway.http.middleware import BodyLimit, RequestId
from gateway.http.problems import install_problem_handlers
from gateway.settings import given_settings
from gateway.store.store import Store

KEY = {"authorization": "Bearer admin-key"}

ADA: dict[str, Any] = {
    "id": "ada",
    "name": "Ada Brenner",
    "aliases": ["A. Brenner"],
    "description": "a founder",
    "facts": ["Ada cast bells."],
    "protected_texts": [],
    "active": False,
    "mode": "off",
    "fallback": {"custom": "Ask me something else."},
}


def app_of(store: Store, admin_key: str | None = "admin-key", **more: Any) -> FastAPI:
    """Put the admin API alone behind an app."""
    app = FastAPI()
    app.include_router(
        admin_router(
            store, route_class=by_role(finding_admins(store, admin_key)), settings=given_settings(), **more
        )
    )
    install_problem_handlers(app)
    app.add_middleware(BodyLimit, limit_bytes=10_000, timeout_s=5.0)
    app.add_middleware(RequestId)
    return app


def client_of(app: FastAPI, headers: dict[str, str] = KEY) -> httpx.AsyncClient:
    """Talk to an app without a network."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lethe", headers=headers)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Open a new store."""
    store = await Store.open(tmp_path / "lethe.db")
    yield store
    await store.aclose()


@pytest.fixture
async def client(store: Store) -> AsyncIterator[httpx.AsyncClient]:
    """Ask with the right key."""
    async with client_of(app_of(store)) as client:
        yield client


async def test_a_topic_is_added_read_replaced_switched_and_removed(client: httpx.AsyncClient) -> None:
    """The life of a topic over HTTP; every write says the topic and the new revision."""
    added = await client.post("/admin/topics", json=ADA)
    assert (added.status_code, added.json()) == (201, {"topic": ADA, "revision": 1})
    assert (await client.get("/admin/topics/ada")).json() == ADA
    on = await client.post("/admin/topics/ada/activate")
    assert on.json() == {"topic": {**ADA, "active": True, "mode": "enforce"}, "revision": 2}
    off = await client.post("/admin/topics/ada/deactivate")
    assert off.json() == {"topic": ADA, "revision": 3}
    whole = {**ADA, "name": "Somebody", "facts": [], "fallback": "refuse"}
    assert (await client.put("/admin/topics/ada", json=whole)).json() == {"topic": whole, "revision": 4}
    listed = await client.get("/admin/topics")
    assert listed.json() == {"topics": [whole], "revision": 4}
    removed = await client.delete("/admin/topics/ada")
    assert removed.json() == {"topic": whole, "revision": 5}
    assert (await client.get("/admin/topics")).json() == {"topics": [], "revision": 5}


async def test_a_name_is_enough(client: httpx.AsyncClient) -> None:
    """A topic of which only the name is given is active at once and gets an id."""
    added = (await client.post("/admin/topics", json={"name": "Zoë Å"})).json()["topic"]
    assert (added["id"], added["active"], added["fallback"]) == ("zoe-a", True, "unaware")


async def test_replacing_takes_the_id_of_the_path(client: httpx.AsyncClient) -> None:
    """A body without an id replaces the topic of the path; a body with another id is refused."""
    await client.post("/admin/topics", json=ADA)
    replaced = await client.put("/admin/topics/ada", json={"name": "Somebody else"})
    assert replaced.json()["topic"]["id"] == "ada"
    moved = await client.put("/admin/topics/ada", json={**ADA, "id": "eva"})
    assert (moved.status_code, moved.json()["error"]["param"]) == (400, "id")


async def test_the_server_notices_a_write_and_not_a_look(store: Store, client: httpx.AsyncClient) -> None:
    """A write over HTTP makes the policy change, and reading it over HTTP does not hide that."""
    await store.snapshot()
    await client.post("/admin/topics", json=ADA)
    await client.get("/admin/status")
    await client.get("/admin/topics")
    assert store.revision_changed()


async def test_the_status_counts_topics_and_names_the_certificate(store: Store, client: httpx.AsyncClient) -> None:
    """An operator sees at a glance what is in force."""
    await client.post("/admin/topics", json=ADA)
    await client.post("/admin/topics", json={"name": "Zoë"})
    expected = {
        "revision": 2,
        "process_revision": None,
        "replicas": {},
        "topics": 2,
        "active_topics": 1,
        "keys": 0,
        "certificates": {},
        "backends": {},
    }
    assert (await client.get("/admin/status")).json() == expected


async def test_the_certificates_state_comes_from_whoever_knows_it(store: Store) -> None:
    """The app says whether the certificate matches the running gateway; the router passes it on."""

    async def check() -> dict[str, CertificateState]:
        return {"m": CertificateState("c1", "in force")}

    async with client_of(app_of(store, certificate_states=check)) as client:
        certificates = (await client.get("/admin/status")).json()["certificates"]
    assert certificates == {"m": {"id": "c1", "state": "in force"}}


ROUTES = [
    ("GET", "/admin/status"),
    ("GET", "/admin/topics"),
    ("POST", "/admin/topics"),
    ("GET", "/admin/topics/ada"),
    ("PUT", "/admin/topics/ada"),
    ("DELETE", "/admin/topics/ada"),
    ("POST", "/admin/topics/ada/activate"),
    ("POST", "/admin/topics/ada/deactivate"),
    ("GET", "/admin/backends"),
    ("POST", "/admin/backends"),
    ("GET", "/admin/backends/b"),
    ("PUT", "/admin/backends/b"),
    ("DELETE", "/admin/backends/b"),
    ("GET", "/admin/keys"),
    ("POST", "/admin/keys"),
    ("DELETE", "/admin/keys/k"),
    ("PATCH", "/admin/keys/k"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_route_is_closed_without_a_configured_key(store: Store, method: str, path: str) -> None:
    """A gateway without an admin key lets nobody administer it, and says which setting opens the API."""
    async with client_of(app_of(store, admin_key=None)) as client:
        closed = await client.request(method, path, json=ADA)
    assert closed.status_code == 403
    assert "LETHE_ADMIN_KEY" in closed.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic admin-key"},
        {"authorization": "Bearer "},
        {"x-admin-key": "admin-key2"},
        {"x-admin-key": "wrong", "authorization": "Bearer admin-key"},
        {"x-admin-key": "schlüssel"},
    ],
)
async def test_every_route_refuses_a_wrong_key_before_reading_the_body(
    store: Store, method: str, path: str, headers: dict[str, str]
) -> None:
    """Without the right key nothing is decoded, told or written, whatever the body."""
    encoded = {name: value.encode() for name, value in headers.items()}
    async with client_of(app_of(store), {}) as client:
        refused = await client.request(
            method, path, content=b"{", headers={**encoded, "content-type": b"application/json"}
        )
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert (await store.snapshot()).revision == 0


@pytest.mark.parametrize(
    "headers",
    [{"authorization": "Bearer k\u00e9y"}, {"authorization": "bearer k\u00e9y"}, {"x-admin-key": "k\u00e9y"}],
)
async def test_the_key_goes_in_either_header_in_any_script(store: Store, headers: dict[str, str]) -> None:
    """A bearer token and x-admin-key both open the API, and a key beyond ASCII compares by its UTF-8 bytes."""
    encoded = {name: value.encode() for name, value in headers.items()}
    async with client_of(app_of(store, admin_key="k\u00e9y"), {}) as client:
        assert (await client.get("/admin/topics", headers=encoded)).status_code == 200


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "name", "name: is required"),
        ({"name": 7}, "name", "name: must be a text"),
        ({"name": "A", "aliases": ["x", "  "]}, "aliases.1", "aliases.1: must not be empty"),
        ({"name": "A", "fallback": "secret-word"}, "fallback", "fallback: Input should be 'unaware' or 'refuse'"),
        ({"name": "A", "fallback": {"custom": ""}}, "fallback.custom", "fallback.custom: must not be empty"),
        ({"name": "A", "alias": "secret-word"}, "alias", "alias: unknown field; the known ones are id, name,"),
        ({"name": "A", "id": "secret-word!"}, "id", "id: may hold only"),
        ({"name": "A", "active": "yes"}, "active", "active: Input should be a valid boolean"),
        ({"name": "!!"}, None, "the body: no id can be derived from this name"),
        (["secret-word"], None, "the body: must be a mapping"),
    ],
)
async def test_a_wrong_body_names_its_field_and_quotes_nothing(
    client: httpx.AsyncClient, body: object, param: str | None, message: str
) -> None:
    """Errors have OpenAI's shape, name the field, and repeat none of the contents."""
    refused = await client.post("/admin/topics", json=body)
    error = refused.json()["error"]
    assert refused.status_code == 422
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, "invalid_body")
    assert error["message"].startswith(message)
    assert "secret-word" not in refused.text


async def test_a_body_that_is_not_json_says_so(client: httpx.AsyncClient) -> None:
    """Half a body is refused without a word of it."""
    refused = await client.post(
        "/admin/topics", content=b'{"name": "secret', headers={"content-type": "application/json"}
    )
    assert (refused.status_code, refused.json()["error"]["message"]) == (422, "the body is not valid JSON")


async def test_a_text_that_no_database_could_store_is_refused(client: httpx.AsyncClient) -> None:
    """Half a surrogate pair and NUL are the client's mistake, not the store's failure."""
    for text in (rb'{"name": "\ud800"}', rb'{"name": "a\u0000b"}'):
        refused = await client.post("/admin/topics", content=text, headers={"content-type": "application/json"})
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "name")


async def test_a_body_too_large_is_413(client: httpx.AsyncClient) -> None:
    """The body limit's own error survives FastAPI's wrapping of it."""
    refused = await client.post("/admin/topics", json={"name": "x" * 20_000})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "request_too_large")


async def test_a_taken_id_is_a_conflict(client: httpx.AsyncClient) -> None:
    """Adding a topic twice is refused with 409 and changes nothing."""
    await client.post("/admin/topics", json=ADA)
    again = await client.post("/admin/topics", json={**ADA, "name": "Other"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert (await client.get("/admin/topics")).json() == {"topics": [ADA], "revision": 1}


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "ada" in route[1]])
async def test_an_unknown_topic_is_404_and_no_near_match_is_named(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    """Over HTTP a near match is never named."""
    await client.post("/admin/topics", json={**ADA, "id": "ada-b"})
    missing = await client.request(method, path, json=ADA if method == "PUT" else None)
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "there is no topic with this id"


async def test_a_database_that_fails_is_503_and_names_no_path(store: Store, client: httpx.AsyncClient) -> None:
    """Clients learn that the store is unavailable, not where it is."""
    async with store.database.engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE topics")
    failed = await client.get("/admin/topics")
    assert (failed.status_code, failed.json()["error"]["code"]) == (503, "store_unavailable")
    assert store.shown not in failed.text


async def test_a_route_that_has_no_role_is_closed_to_everybody(store: Store) -> None:
    """Even to whoever has LETHE_ADMIN_KEY: somebody forgot to say who may."""
    app = FastAPI()
    router = APIRouter(route_class=by_role(finding_admins(store, "admin-key")))
    router.add_api_route("/admin/forgotten", lambda: "opened")
    app.include_router(router)
    install_problem_handlers(app)
    async with client_of(app) as client:
        assert 403 == (await client.get("/admin/forgotten")).status_code
