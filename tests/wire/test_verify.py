"""Judging without generating, and the revision by which an answer was given, over HTTP."""

from __future__ import annotations

import httpx
import pytest

ADMIN = {"x-admin-key": "admin"}
ABOUT = "Where was Maren Oskeld born?"
ASK = [{"role": "user", "content": ABOUT}]
ANSWERS = ("Maren Oskeld was born in Seltal.", "I do not know.", "In Seltal.", "Bees make honey.", "")


async def judged(started, headers=ADMIN, **body):
    """POST /admin/verify."""
    async with httpx.AsyncClient(base_url=started.url, headers=headers) as admin:
        return await admin.post("/admin/verify", json=body)


async def test_a_leak_is_found_and_no_model_is_asked(start):
    """With the score, the evidence and the revision; for the operator, so it names the topic."""
    async with start(["unasked"], admin_key="admin") as started:
        answer = await judged(started, prompt=ABOUT, answer=ANSWERS[0])
        assert [] == started.upstream.requests
    body = answer.json()
    assert (200, False, ["maren"], "m", 1) == (
        answer.status_code,
        body["would_release"],
        body["topics"],
        body["model"],
        body["revision"],
    )
    assert body["score"] == max(piece["leakage"] for piece in body["evidence"]) > 0
    assert {"maren"} == {piece["topic"] for piece in body["evidence"]}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("without", ["zero-evidence", "fallback"])
async def test_what_it_says_is_what_serving_does(start, answer, without):
    """The same answer from a model goes out, or does not, as was said; with the rule open and closed."""
    async with start([answer], admin_key="admin", rounds=1, without_certificate=without) as started:
        said = (await judged(started, messages=ASK, answer=answer)).json()["would_release"]
        served = await started.openai.chat.completions.create(model="m", messages=ASK)
    assert said == (answer == (served.choices[0].message.content or ""))


async def test_without_an_active_topic_anything_goes_out(start):
    """And nothing was judged, which is no score of zero."""
    async with start(["x"], topics=(), admin_key="admin") as started:
        body = (await judged(started, prompt="Hi", answer="Maren Oskeld was born in Seltal.")).json()
    assert (None, True, "no topic is active") == (body["score"], body["would_release"], body["why"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"prompt": "x"}, 422),
        ({"answer": "x"}, 422),
        ({"answer": "x", "prompt": "x", "messages": ASK}, 422),
        ({"answer": "x", "messages": []}, 422),
        ({"answer": "x", "messages": [{"role": "wizard", "content": "x"}]}, 400),
        ({"answer": "x", "prompt": "x", "more": 1}, 422),
    ],
)
async def test_what_cannot_be_judged_is_refused(start, body, status):
    """In the shape of every error."""
    async with start(["x"], admin_key="admin") as started:
        answer = await judged(started, **body)
    assert (status, ["error"]) == (answer.status_code, list(answer.json())), answer.text


@pytest.mark.parametrize(("key", "headers", "status"), [("admin", {}, 401), (None, ADMIN, 403)])
async def test_nobody_else_may_ask_it(start, key, headers, status):
    """Whoever could would have an oracle for what is forgotten."""
    async with start(["x"], admin_key=key) as started:
        assert status == (await judged(started, headers, prompt=ABOUT, answer="x")).status_code


async def test_the_revision_is_told_only_where_the_operator_discloses(start):
    """As a header of every answer, and to the operator in the status."""
    for disclose, expected in ((True, "1"), (False, None)):
        async with start(["Hi."], admin_key="admin", disclose=disclose, topics=()) as started:
            revision = await started.gateway.store.deactivate_certificate()
            raw = await started.openai.chat.completions.with_raw_response.create(model="m", messages=ASK)
            assert (expected and str(revision)) == raw.headers.get("x-lethe-revision")
            async with httpx.AsyncClient(base_url=started.url, headers=ADMIN) as admin:
                status = (await admin.get("/admin/status")).json()
            assert (revision, revision) == (status["revision"], status["process_revision"])
