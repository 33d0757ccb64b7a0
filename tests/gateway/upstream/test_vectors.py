"""Embeddings of a server: vectors are read, all else is withheld."""

from __future__ import annotations

import base64

import httpx
import numpy as np
import orjson
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.errors import InvalidInput, UpstreamGarbage, UpstreamRejected
from gateway.upstream.openai import OpenAIUpstream
from gateway.upstream.pinned import Pinned
from gateway.upstream.protocol import EmbeddingRequest, Embeddings, embedder
from gateway.upstream.scripted import ScriptedUpstream
from gateway.upstream.vectors import read_embeddings

PACKED = base64.b64encode(np.array([1.5, -2.0], dtype="<f4").tobytes()).decode()


def entry(embedding, index=0):
    """Make one entry of an answer."""
    return {"object": "embedding", "index": index, "embedding": embedding}


def test_vectors_are_put_into_the_inputs_order():
    """Numbers as they are, packed ones as their bytes; of the rest only the tokens that were read."""
    body = {
        "data": [entry(PACKED, 1), {**entry([1, 0.5]), "text": "Seltal"}],
        "model": "Seltal",
        "usage": {"prompt_tokens": 3, "note": "Seltal"},
    }
    assert Embeddings(([1, 0.5], PACKED), 3) == read_embeddings(body, 2)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": "Seltal"},
        {"data": []},
        {"data": [entry([1.0]), entry([1.0], 1)]},
        {"data": [entry([1.0], 1)]},
        {"data": [entry([1.0], "0")]},
        {"data": [{"index": 0}]},
        {"data": ["Seltal"]},
        {"data": [entry([])]},
        {"data": [entry(["Seltal"])]},
        {"data": [entry([float("inf")])]},
        {"data": [entry([[1.0]])]},
        {"data": [entry({"text": "Seltal"})]},
        {"data": [entry("Seltal is a town")]},
        {"data": [entry(base64.b64encode(b"Seltal").decode())]},
        {"data": [entry(base64.b64encode(b"\x00\x00\x80\x7f").decode())]},
        {"data": [entry("")]},
    ],
)
def test_any_other_shape_is_withheld(body):
    """A vector that is no vector could say anything."""
    with pytest.raises(UpstreamGarbage) as caught:
        read_embeddings(body, 1)
    assert "Seltal" not in str(caught.value)


def server(reply):
    """Make an upstream before a tiny application that answers POST /v1/embeddings."""
    app = Starlette(routes=[Route("/v1/embeddings", reply, methods=["POST"])])
    return OpenAIUpstream("http://server/v1", transport=httpx.ASGITransport(app))


async def test_a_server_is_asked_as_the_client_asked():
    """The model's name, the inputs and every other field; a pinned model has its own name there."""
    seen = []

    async def reply(request):
        seen.append(orjson.loads(await request.body()))
        return JSONResponse({"data": [entry([1.0]), entry([2.0], 1)], "usage": {"prompt_tokens": 2}})

    upstream = server(reply)
    asked = EmbeddingRequest("m", ("a", [1, 2]), {"dimensions": 1})
    assert ([1.0], [2.0]) == (await upstream.embed(asked)).vectors
    assert ([1.0], [2.0]) == (await Pinned(upstream, "inner").embed(asked)).vectors
    body = {"input": ["a", [1, 2]], "dimensions": 1}
    assert [{**body, "model": "m"}, {**body, "model": "inner"}] == seen
    await upstream.aclose()


async def test_a_server_without_embeddings_refuses_in_its_own_status():
    """Without its words."""

    async def reply(request):
        return JSONResponse({"error": {"message": "Seltal"}}, 404)

    upstream = server(reply)
    with pytest.raises(UpstreamRejected) as caught:
        await upstream.embed(EmbeddingRequest("m", ("a",)))
    assert 404 == caught.value.upstream_status
    assert "Seltal" not in str(caught.value)
    await upstream.aclose()


async def test_a_model_that_makes_none_is_named_as_such_also_behind_a_pin():
    """An upstream need not be able to embed."""
    scripted = ScriptedUpstream(["x"])
    with pytest.raises(InvalidInput, match="makes no embeddings"):
        embedder(scripted)
    with pytest.raises(InvalidInput, match="makes no embeddings"):
        await Pinned(scripted, "m").embed(EmbeddingRequest("m", ("a",)))
