"""What cannot be answered, on every endpoint: one shape, a request id, and nothing of what was sent."""

from __future__ import annotations

import httpx
import pytest

from gateway.clients import key_digest

ENDPOINTS = {
    "/v1/chat/completions": '{"model": "m", "messages": [{"role": "user", "content": "Seltal?"}]%s}',
    "/v1/completions": '{"model": "m", "prompt": "Seltal?"%s}',
    "/v1/responses": '{"model": "m", "input": "Seltal?"%s}',
    "/v1/embeddings": '{"model": "m", "input": "Seltal?"%s}',
}
JSON = {"content-type": "application/json"}
DEEP = ', "extra": ' + "[" * 50_000 + "]" * 50_000
BODIES = [
    ("", 400),
    ("Seltal", 400),
    ("[]", 400),
    ('"Seltal"', 400),
    ("{}", 400),
    ('{"model": "m"}', 400),
    ('{"model": 7}', 400),
    ('{"model": "Seltal", "messages": 7, "prompt": 7, "input": 7}', 400),
    ("\ud800", 400),
]


def assert_is_problem(answer, status):
    """Check the status, OpenAI's shape, the id, and that nothing is quoted."""
    assert status == answer.status_code
    assert {"error"} == set(answer.json())
    assert {"message", "type", "param", "code"} == set(answer.json()["error"])
    assert answer.headers["x-request-id"].startswith("req_")
    assert "seltal" not in answer.text.lower()


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_body_that_cannot_be_answered_is_refused_on_every_endpoint(start, path):
    """Malformed, of another shape, too deep, too large, or something else than JSON; the model is not asked."""
    good = ENDPOINTS[path]
    async with start(["fine"], max_body_bytes=200_000) as started, httpx.AsyncClient() as client:

        async def post(body, headers=JSON):
            content = body.encode("utf-8", "surrogatepass")
            return await client.post(started.url + path, content=content, headers=headers)

        for body, status in BODIES:
            assert_is_problem(await post(body), status)
        assert_is_problem(await post(good % DEEP), 400)
        assert_is_problem(await post(good % ("," + " " * 200_000)), 413)
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
            assert_is_problem(await post(good % "", {"content-type": kind}), 415)
    assert [] == started.upstream.requests


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"])
async def test_json_by_its_other_names_is_json(start, kind):
    """And a body that names no type is taken for it."""
    body = (ENDPOINTS["/v1/chat/completions"] % "").encode()
    async with start(["fine"]) as started, httpx.AsyncClient() as client:
        url = f"{started.url}/v1/chat/completions"
        answers = [await client.post(url, content=body, headers=h) for h in ({"content-type": kind}, {})]
    assert [200, 200] == [answer.status_code for answer in answers]


@pytest.mark.parametrize("path", [*ENDPOINTS, "/v1/models", "/v1/models/m"])
async def test_a_missing_or_wrong_key_is_refused_on_every_endpoint(start, path):
    """Before the body is looked at."""
    async with start(["fine"]) as started, httpx.AsyncClient() as client:
        await started.gateway.store.add_key("team", key_digest("lethe-right"))
        method = "GET" if "models" in path else "POST"
        for headers in ({}, {"authorization": "Bearer Seltal"}, {"authorization": "Basic Seltal"}):
            answer = await client.request(method, started.url + path, headers=headers, content=b"Seltal")
            assert_is_problem(answer, 401)
            assert "Bearer" == answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/Seltal", 404, None),
        ("GET", "/seltal", 404, None),
        ("GET", "/v1/models/Seltal", 404, None),
        ("GET", "/v1/chat/completions", 405, "POST"),
        ("DELETE", "/v1/models/m", 405, "GET"),
        ("PATCH", "/admin/topics", 405, "GET, POST"),
    ],
)
async def test_a_path_or_method_that_there_is_not(start, method, path, status, allow):
    """404, or 405 with all that the path takes."""
    async with start(["fine"]) as started, httpx.AsyncClient() as client:
        answer = await client.request(method, started.url + path)
    assert_is_problem(answer, status)
    assert allow == answer.headers.get("allow")


@pytest.mark.parametrize("switch", ['"stream": 1', '"stream": "true"', '"n": "2"', '"n": 1.5'])
async def test_switches_and_counts_are_not_guessed(start, switch):
    """A number is no truth, a text no number."""
    async with start(["fine"]) as started, httpx.AsyncClient() as client:
        body = ENDPOINTS["/v1/chat/completions"] % f", {switch}"
        answer = await client.post(f"{started.url}/v1/chat/completions", content=body, headers=JSON)
    assert_is_problem(answer, 400)
    assert switch.split('"')[1] == answer.json()["error"]["param"]


async def test_a_number_that_cannot_be_said_back_is_refused(start):
    """JSON has no largest number, and what is echoed has to be written again."""
    async with start(["fine"]) as started, httpx.AsyncClient() as client:
        body = ENDPOINTS["/v1/responses"] % f', "metadata": {{"a": {10**40}}}'
        answer = await client.post(f"{started.url}/v1/responses", content=body, headers=JSON)
    assert_is_problem(answer, 400)
    assert "metadata" == answer.json()["error"]["param"]


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_every_status_of_an_answer_is_documented_with_the_one_shape(start, path):
    """Also those that no malformed body leads to."""
    async with start(["fine"]) as started, httpx.AsyncClient() as client:
        document = (await client.get(f"{started.url}/openapi.json")).json()
    told = document["paths"][path]["post"]
    statuses = {"400", "401", "404", "408", "413", "415", "422", "429", "500", "502", "503", "504"}
    assert {"200", *statuses} == set(told["responses"])
    shapes = {told["responses"][status]["content"]["application/json"]["schema"]["$ref"] for status in statuses}
    assert {"#/components/schemas/ProblemBody"} == shapes
    assert [{"HTTPBearer": []}] == told["security"]
