"""Backends and keys over HTTP: the unmodified OpenAI client, a started gateway, another server behind it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from gateway.store.records import ForgetTopic
from verifiers.protocol import Topic

MAREN = ForgetTopic(Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)))
LEAK = "Maren Oskeld was born in Seltal."
UNAWARE = "I don't have information about that."


@dataclass(frozen=True)
class Street:
    """A gateway, the scripted model that is its default, and the server that is its backend "b"."""

    gateway: object
    default: object
    server: object
    url: str
    admin: httpx.AsyncClient

    def openai(self, key="any"):
        """Point the client at the gateway with a key."""
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0)

    async def says(self, text, model="m", key="any"):
        """Ask a question and read the answer."""
        async with self.openai(key) as client:
            said = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
            return said.choices[0].message.content, said.model

    async def post(self, path, **body):
        """Administer."""
        return await self.admin.post(f"/admin/{path}", json=body)


@pytest.fixture
def street(start, tmp_path: Path):
    """Start both, with the backend already added."""

    @asynccontextmanager
    async def started(
        default=("The default speaks.",), behind=("The backend speaks.",), topics=(MAREN,), **settings
    ):
        async with (
            start(behind, topics=(), database=str(tmp_path / "behind.db")) as server,
            start(default, topics=topics, admin_key="admin", **settings) as front,
            httpx.AsyncClient(base_url=front.url, headers={"x-admin-key": "admin"}) as admin,
        ):
            made = Street(front.gateway, front.upstream, server.upstream, front.url, admin)
            added = await made.post("backends", name="b", url=f"{server.url}/v1", model="m")
            assert 201 == added.status_code, added.text
            yield made

    return started


async def test_a_model_is_asked_for_by_its_name(street):
    """Both are listed; the answer goes by the name that was asked for; no other is asked."""
    async with street() as it:
        assert ("The backend speaks.", "b") == await it.says("Hello?", "b")
        assert ("The default speaks.", "m") == await it.says("Hello?")
        assert (1, 1) == (len(it.server.requests), len(it.default.requests))
        async with it.openai() as client:
            assert ["m", "b"] == [model.id async for model in client.models.list()]
            assert "b" == (await client.models.retrieve("b")).id


async def test_a_topic_is_answered_by_its_backend_and_still_verified(street):
    """The unlearned model leaks once, and the loop does not let it out."""
    async with street(behind=(LEAK, "I cannot say.")) as it:
        await it.admin.put(
            "/admin/backends/b",
            json={**(await it.admin.get("/admin/backends/b")).json()["backend"], "topics": ["maren"]},
        )
        assert ("I cannot say.", "m") == await it.says("Where was Maren Oskeld born?")
        assert ("The default speaks.", "m") == await it.says("How high is a hill?")
        assert (2, 1) == (len(it.server.requests), len(it.default.requests))


async def test_a_streamed_answer_takes_the_same_way(street):
    """Streaming is no way around the route."""
    async with street() as it, it.openai() as client:
        stream = await client.chat.completions.create(
            model="b", messages=[{"role": "user", "content": "Hello?"}], stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
        assert ("The backend speaks.", 0) == (text, len(it.default.requests))


async def test_a_key_opens_one_model_whatever_is_asked_for(street):
    """It is listed alone, and the others are not there."""
    async with street() as it:
        key = (await it.post("keys", name="alice", backend="b")).json()["key"]
        assert ("The backend speaks.", "m") == await it.says("Hello?", "m", key)
        assert ("The backend speaks.", "anything") == await it.says("Hello?", "anything", key)
        async with it.openai(key) as client:
            assert ["b"] == [model.id async for model in client.models.list()]
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve("m")


async def test_once_there_is_a_key_nobody_asks_without_one(street):
    """Missing, wrong and revoked keys are refused alike; revoking the last opens nothing."""
    async with street() as it:
        assert "The default speaks." == (await it.says("Hello?"))[0]
        key = (await it.post("keys", name="alice")).json()["key"]
        assert "The default speaks." == (await it.says("Hello?", key=key))[0]
        for wrong in ("any", key + "x", key[:-1]):
            with pytest.raises(openai.AuthenticationError):
                await it.says("Hello?", key=wrong)
        assert 401 == (await it.admin.get("/v1/models")).status_code
        assert 200 == (await it.admin.delete("/admin/keys/alice")).status_code
        for old in (key, "any"):
            with pytest.raises(openai.AuthenticationError):
                await it.says("Hello?", key=old)


async def test_the_operators_own_key_stays_good_beside_the_clients(street):
    """LETHE_API_KEY needs no entry in the database."""
    async with street(api_key="öurs") as it:
        key = (await it.post("keys", name="alice")).json()["key"]
        assert "The default speaks." == (await it.says("Hello?", key=key))[0]
        for given, status in (("öurs", 200), ("ours", 401)):
            bearer = {"authorization": f"Bearer {given}".encode()}
            assert status == (await it.admin.get("/v1/models", headers=bearer)).status_code
        with pytest.raises(openai.AuthenticationError):
            await it.says("Hello?", key="any")


async def test_no_answer_shows_a_key_or_its_digest_again(street):
    """It is in the one response that made it, and in no other."""
    async with street() as it:
        key = (await it.post("keys", name="alice", backend="b")).json()["key"]
        digest = (await it.gateway.store.policy()).keys[0].digest
        for path in ("keys", "backends", "backends/b", "status"):
            shown = (await it.admin.get(f"/admin/{path}")).text
            assert [False, False] == [key in shown, digest in shown]


async def test_a_backend_that_is_gone_is_an_error_and_no_other_answers(street):
    """Its server refuses connections: 502 to the client that named it, and nothing about where it is."""
    async with street() as it:
        await it.admin.put("/admin/backends/b", json={"name": "b", "url": "http://127.0.0.1:9/v1"})
        with pytest.raises(openai.APIStatusError) as failed:
            await it.says("Hello?", "b")
        assert 502 == failed.value.status_code
        assert [False, False] == [word in str(failed.value) for word in ("127.0.0.1", "LETHE")]
        assert "The default speaks." == (await it.says("Hello?"))[0]


async def test_a_backend_without_its_key_is_shown_and_disturbs_nobody(street):
    """The gateway stays ready; the operator is told the variable's name, the public page is not."""
    async with street(topics=()) as it:
        body = {"name": "b", "url": "http://127.0.0.1:9/v1", "key_env": "NO_SUCH_VARIABLE"}
        await it.admin.put("/admin/backends/b", json=body)
        await it.gateway.policies.settled()
        ready = await it.admin.get("/readyz")
        assert (200, {"b": "not available"}) == (ready.status_code, ready.json()["backends"])
        assert "NO_SUCH_VARIABLE" in (await it.admin.get("/admin/backends/b")).json()["state"]
        status = (await it.admin.get("/admin/status")).json()
        assert "NO_SUCH_VARIABLE" in status["backends"]["b"]
        with pytest.raises(openai.InternalServerError):
            await it.says("Hello?", "b")


async def test_without_a_certificate_of_its_own_a_backend_says_nothing(street):
    """While a topic is active: the fallback, and the backend is not even asked."""
    async with street(without_certificate="fallback") as it:
        assert (UNAWARE, "b") == await it.says("Hello?", "b")
        assert [] == it.server.requests


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ({"name": "c"}, 422, "either `model_dir` or `url`"),
        ({"name": "c", "url": "http://h/v1", "model_dir": "/m"}, 422, "either `model_dir` or `url`"),
        ({"name": "c", "url": "ftp://secret-word/v1"}, 422, "url: must start with http"),
        ({"name": "c", "url": "http://me:secret-word@h/v1"}, 422, "url: must hold no user or password"),
        ({"name": "c", "url": "http://h/v1?key=secret-word"}, 422, "url: must hold no query"),
        ({"name": "c", "url": "http://h:99999/v1"}, 422, "url: must start with http"),
        ({"name": "c", "url": "http://h/v1", "key_env": "sk-secret-word"}, 422, "key_env: must be the name of"),
        ({"name": "c", "url": "http://h/v1", "key_env": "LETHE_ADMIN_KEY"}, 422, "key_env: must not be one of"),
        ({"name": "c", "model_dir": "secret-word"}, 422, "model_dir: must be an absolute path"),
        ({"name": "c", "model_dir": "/nowhere/at/all"}, 400, "There is no model at"),
        ({"name": "c", "model_dir": "/m", "model": "x"}, 422, "belong to `url`"),
        ({"name": "", "url": "http://h/v1"}, 422, "name: must be 1 to 128 letters"),
        ({"name": "c", "url": "http://h/v1", "secret-word": 1}, 422, "unknown field; the known ones are name"),
        ({"name": "c", "url": "http://h/v1", "topics": ["nobody"]}, 404, "there is no topic"),
        ({"name": "b", "url": "http://h/v1"}, 409, "already"),
    ],
)
async def test_a_backend_that_cannot_be_is_refused_whole(street, body, status, complaint):
    """The field is named, nothing is quoted, and nothing has changed."""
    async with street() as it:
        before = await it.gateway.store.policy()
        refused = await it.post("backends", **body)
        assert (status, True) == (refused.status_code, complaint in refused.json()["error"]["message"]), (
            refused.text
        )
        assert "secret-word" not in refused.text
        assert before == await it.gateway.store.policy()


async def test_a_backend_is_added_read_replaced_and_removed(street):
    """The life of a backend over HTTP; a key holds it in its place."""
    async with street() as it:
        shown = (await it.admin.get("/admin/backends/b")).json()["backend"]
        assert ("b", "m", []) == (shown["name"], shown["model"], shown["topics"])
        moved = await it.admin.put("/admin/backends/b", json={**shown, "model": "n", "topics": ["maren"]})
        assert ("n", ["maren"]) == (moved.json()["backend"]["model"], moved.json()["backend"]["topics"])
        assert 400 == (await it.admin.put("/admin/backends/b", json={**shown, "name": "c"})).status_code
        assert 404 == (await it.admin.put("/admin/backends/c", json={**shown, "name": "c"})).status_code
        await it.post("keys", name="alice", backend="b")
        assert 409 == (await it.admin.delete("/admin/backends/b")).status_code
        await it.admin.delete("/admin/keys/alice")
        removed = await it.admin.delete("/admin/backends/b")
        assert ("n", []) == (
            removed.json()["backend"]["model"],
            (await it.admin.get("/admin/backends")).json()["backends"],
        )
        assert 404 == (await it.admin.delete("/admin/backends/b")).status_code
