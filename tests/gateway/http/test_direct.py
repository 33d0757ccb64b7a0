"""The answering paths past the router: what the router does with anything else stays."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from httpx import ASGITransport, AsyncClient
from starlette.requests import ClientDisconnect

from gateway.errors import RateLimited, UnknownModel
from gateway.http.direct import Direct, endpoints_of
from gateway.http.middleware import RequestId
from gateway.http.problems import install_problem_handlers


class _Alone(APIRoute):
    """Takes the request alone, as the answering routes do."""

    def get_route_handler(self):
        """Leave out dependencies."""
        return self.endpoint


async def answer(request: Request) -> Response:
    """Say what was sent, or fail as it says."""
    said = (await request.body()).decode()
    if said == "unknown":
        raise UnknownModel("there is no such model", param="model")
    if said == "often":
        raise RateLimited("too often", retry_after_s=7)
    if said == "gone":
        raise ClientDisconnect
    if said == "broken":
        raise RuntimeError("Maren Oskeld")
    return Response(said)


def application(*, direct: bool) -> FastAPI:
    """Make one with an answering path and another, with or without the short cut."""
    router = APIRouter(route_class=_Alone)
    router.add_api_route("/v1/answer", answer, methods=["POST"])
    app = FastAPI()
    app.include_router(router)
    app.add_api_route("/v1/other/{name}", lambda name: name)
    install_problem_handlers(app)
    if direct:
        app.add_middleware(Direct, endpoints=endpoints_of(router.routes))
    app.add_middleware(RequestId)
    return app


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        *(("POST", "/v1/answer", said) for said in ("hello", "unknown", "often", "gone", "broken")),
        ("GET", "/v1/answer", ""),
        ("HEAD", "/v1/answer", ""),
        ("OPTIONS", "/v1/answer", ""),
        ("POST", "/v1/answer/", "hello"),
        ("POST", "/V1/answer", "hello"),
        ("POST", "/v1/nothing", "hello"),
        ("GET", "/v1/other/one", ""),
        ("DELETE", "/v1/other/one", ""),
        ("GET", "/openapi.json", ""),
    ],
)
async def test_the_short_way_answers_as_the_router_does(method: str, path: str, said: str):
    """The same status, body and headers, the request's id apart: for answers, errors and all other paths."""
    seen = []
    for direct in (False, True):
        transport = ASGITransport(application(direct=direct), raise_app_exceptions=False)
        async with AsyncClient(transport=transport, base_url="http://gateway") as client:
            response = await client.request(method, path, content=said)
        assert response.headers.pop("x-request-id").startswith("req_")
        seen.append((response.status_code, response.content, dict(response.headers)))
    assert seen[0] == seen[1]


async def test_the_short_way_is_taken():
    """A router that has lost the route is not asked."""
    router = APIRouter(route_class=_Alone)
    router.add_api_route("/v1/answer", answer, methods=["POST"])
    app = FastAPI()
    app.add_middleware(Direct, endpoints=endpoints_of(router.routes))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://gateway") as client:
        assert "hello" == (await client.post("/v1/answer", content="hello")).text
        assert 404 == (await client.get("/v1/answer")).status_code
