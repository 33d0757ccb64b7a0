"""Embeddings with the unmodified OpenAI client: vectors go out, what touches a topic does not come in."""

from __future__ import annotations

import openai
import pytest

from gateway.clients import key_digest
from gateway.upstream.protocol import EmbeddingRequest, Embeddings

NAMED = "Maren Oskeld has a sister."


class Embedder:
    """Gives every input a vector of its length, and keeps what it was asked."""

    def __init__(self):
        self.requests = []

    async def __call__(self, request: EmbeddingRequest) -> Embeddings:
        """Embed."""
        self.requests.append(request)
        return Embeddings(tuple([float(len(given)), 0.5] for given in request.inputs), prompt_tokens=7)


@pytest.fixture
def embedder():
    """One that keeps what it was asked."""
    return Embedder()


async def test_texts_become_vectors_in_their_order(start, embedder):
    """With the client's own parameters passed on, and nothing in the answer but vectors and usage."""
    async with start(["x"]) as started:
        started.upstream.embed = embedder
        raw = await started.openai.embeddings.with_raw_response.create(
            model="m", input=["a hill", "a lake there"], dimensions=2, encoding_format="float"
        )
    made = raw.parse()
    assert [(0, [6.0, 0.5]), (1, [12.0, 0.5])] == [(one.index, one.embedding) for one in made.data]
    assert ("m", 7, 7) == (made.model, made.usage.prompt_tokens, made.usage.total_tokens)
    assert {"dimensions": 2, "encoding_format": "float"} == dict(embedder.requests[0].parameters)
    assert {"object", "data", "model", "usage"} == set(raw.http_response.json())


@pytest.mark.parametrize("given", [NAMED, ["a hill", NAMED], [[1, 2]], [1, 2], ["a hill", NAMED.upper()]])
async def test_what_touches_a_topic_or_cannot_be_read_is_refused(start, embedder, given):
    """A 400 that quotes nothing, and the model is not asked."""
    async with start(["x"]) as started:
        started.upstream.embed = embedder
        with pytest.raises(openai.BadRequestError) as refused:
            await started.openai.embeddings.create(model="m", input=given)
    assert ("input", []) == (refused.value.param, embedder.requests)
    assert not {"maren", "oskeld"} & set(refused.value.response.text.lower().split())


async def test_a_topic_in_another_field_is_found_too(start, embedder):
    """Some models take an instruction beside the text."""
    async with start(["x"]) as started:
        started.upstream.embed = embedder
        with pytest.raises(openai.BadRequestError):
            await started.openai.embeddings.create(
                model="m", input="a hill", extra_body={"instruction": "Compare with Maren Oskeld"}
            )
    assert [] == embedder.requests


@pytest.mark.parametrize(("topics", "setting"), [((), "refuse"), (None, "allow")])
async def test_where_nothing_is_forgotten_or_the_operator_allows_it_all_is_embedded(
    start, embedder, topics, setting
):
    """Tokens as well."""
    given = {} if topics is None else {"topics": topics}
    async with start(["x"], **given, embeddings=setting) as started:
        started.upstream.embed = embedder
        for one in (NAMED, [[1, 2], [3]]):
            await started.openai.embeddings.create(model="m", input=one)
    assert [(NAMED,), ([1, 2], [3])] == [request.inputs for request in embedder.requests]


async def test_a_topic_that_is_switched_on_counts_from_the_next_request_on(start, embedder):
    """As for answers."""
    async with start(["x"]) as started:
        started.upstream.embed = embedder
        await started.gateway.store.set_active("maren", False)
        await started.openai.embeddings.create(model="m", input=NAMED)
        await started.gateway.store.set_active("maren", True)
        with pytest.raises(openai.BadRequestError):
            await started.openai.embeddings.create(model="m", input=NAMED)
    assert 1 == len(embedder.requests)


async def test_a_model_without_embeddings_says_so(start):
    """A 400 that names the model's field."""
    async with start(["x"]) as started:
        with pytest.raises(openai.BadRequestError, match="makes no embeddings") as refused:
            await started.openai.embeddings.create(model="m", input="a hill")
    assert "model" == refused.value.param


@pytest.mark.parametrize("bad", ["", [], [""], [[]], ["a"] * 2049, ["a", 1], {"a": "b"}, 7])
async def test_inputs_that_are_none_are_refused(start, embedder, bad):
    """Nothing, too many, mixed or of another kind."""
    async with start(["x"], topics=()) as started:
        started.upstream.embed = embedder
        with pytest.raises(openai.BadRequestError) as refused:
            await started.openai.embeddings.create(model="m", input=bad)
    assert ("input", []) == (refused.value.param, embedder.requests)


async def test_embeddings_ask_for_the_clients_key(start, embedder):
    """Like every other endpoint."""
    async with start(["x"]) as started:
        started.upstream.embed = embedder
        await started.gateway.store.add_key("team", key_digest("lethe-right"), None)
        with pytest.raises(openai.AuthenticationError):
            await started.openai.embeddings.create(model="m", input="a hill")
    assert [] == embedder.requests
