"""Every kind of error on a tiny app: its status, its body, and what it keeps to itself."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI, Request

from gateway.errors import (
    Conflict,
    Forbidden,
    HeadTooLarge,
    InvalidInput,
    LetheError,
    NotFound,
    StoreError,
    TooLarge,
    Unauthenticated,
    UnknownModel,
    UpstreamGarbage,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.http.problems import install_problem_handlers, problem_body


async def answer_to(error: Exception, *, request_id: str | None = None) -> httpx.Response:
    """Raise an error in a route and return what the client gets."""
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/")
    async def fail(request: Request) -> None:
        if request_id is not None:
            request.state.request_id = request_id
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://lethe") as client:
        return await client.get("/")


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (InvalidInput("x", param="n"), 400, "invalid_request_error", None),
        (UnknownModel("x", param="model"), 404, "invalid_request_error", "model_not_found"),
        (Unauthenticated("x"), 401, "authentication_error", "invalid_api_key"),
        (Forbidden("x"), 403, "permission_error", "forbidden"),
        (NotFound("x"), 404, "invalid_request_error", "not_found"),
        (Conflict("x"), 409, "invalid_request_error", "conflict"),
        (HeadTooLarge("x"), 431, "invalid_request_error", "request_too_large"),
        (TooLarge("x"), 413, "invalid_request_error", "request_too_large"),
        (UpstreamUnreachable("x"), 502, "api_error", "upstream_unreachable"),
        (UpstreamTimeout("x", phase="read"), 504, "api_error", "upstream_timeout"),
        (UpstreamGarbage("x"), 502, "api_error", "upstream_garbage"),
    ],
)
async def test_each_error_has_its_status_and_openais_shape(
    error: LetheError, status: int, kind: str, code: str | None
) -> None:
    """The tree in gateway.errors is what clients see."""
    answer = await answer_to(error)
    param = error.param if isinstance(error, InvalidInput) else None
    assert answer.status_code == status
    assert answer.json() == {"error": {"message": "x", "type": kind, "param": param, "code": code}}


@pytest.mark.parametrize(
    ("upstream", "status", "kind"),
    [
        (400, 400, "invalid_request_error"),
        (404, 404, "invalid_request_error"),
        (413, 413, "invalid_request_error"),
        (422, 422, "invalid_request_error"),
        (429, 429, "rate_limit_error"),
        (401, 502, "api_error"),
        (403, 502, "api_error"),
        (418, 502, "api_error"),
        (500, 502, "api_error"),
        (503, 502, "api_error"),
    ],
)
async def test_an_upstreams_refusal_is_the_clients_only_if_the_client_can_mend_it(
    upstream: int, status: int, kind: str
) -> None:
    """A wrong key between gateway and upstream must not tell the client that its own key is wrong."""
    answer = await answer_to(UpstreamRejected("x", upstream_status=upstream))
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, kind)


async def test_a_rate_limit_says_when_to_come_back() -> None:
    """The upstream's Retry-After reaches the client, so that its own back-off works."""
    answer = await answer_to(UpstreamRejected("x", upstream_status=429, retry_after="7"))
    assert answer.headers["retry-after"] == "7"


async def test_a_store_error_keeps_the_path_to_itself() -> None:
    """The path is for the log; the client learns that nothing is released."""
    answer = await answer_to(StoreError("the database /srv/secret.db is locked"))
    assert answer.status_code == 503
    assert "secret" not in answer.text
    assert problem_body(StoreError("the database /srv/secret.db is locked")) == answer.json()


async def test_an_unexpected_error_says_nothing_of_its_content() -> None:
    """A bug's message may hold a conversation: the client gets a constant."""
    answer = await answer_to(RuntimeError("the secret prompt"), request_id="req_1")
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "message": "the gateway failed; nothing was released",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }
    assert answer.headers["x-request-id"] == "req_1"


@pytest.mark.parametrize("error", [NotFound("x"), RuntimeError("x")])
async def test_every_error_carries_the_requests_id_if_it_has_one(error: Exception) -> None:
    """Support can find the exchange in the log."""
    assert (await answer_to(error, request_id="req_1")).headers["x-request-id"] == "req_1"
    assert "x-request-id" not in (await answer_to(error)).headers


async def test_an_unknown_route_and_a_wrong_method_have_openais_shape() -> None:
    """Even what the router itself refuses has the one shape, and keeps its headers."""
    app = FastAPI()
    install_problem_handlers(app)
    app.add_api_route("/", lambda: None, methods=["GET"])
    app.add_api_route("/", lambda: None, methods=["DELETE"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lethe") as client:
        unknown, wrong = await client.get("/nothing"), await client.post("/")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, DELETE"
