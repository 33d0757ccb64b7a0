"""POST /v1/embeddings: texts to vectors. Decodes, asks, encodes; of the model's answer only vectors are kept."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.errors import InvalidInput
from gateway.guard.embeddings import Embedded, Refused
from gateway.http.bodies import decoded, json_body
from gateway.http.documented import answered, asking
from gateway.upstream.protocol import EmbeddingRequest, Embeddings

__all__ = ["Embed", "EmbeddingsBody", "embeddings_router"]

Embed: TypeAlias = Callable[[EmbeddingRequest], Coroutine[Any, Any, Embedded]]
"""Embed, or refuse to; raises ``LetheError``."""

_MOST_INPUTS: Final = 2048
_WORDS: Final = {
    "touched": "input: this input is not embedded here",
    "unreadable": "input: must be text, or a list of texts; tokens cannot be read",
}


class EmbeddingsBody(BaseModel):
    """The body of POST /v1/embeddings. Fields that are not listed travel on to the model untouched."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"examples": [{"model": "m", "input": "Which hill?"}]}
    )

    model: str = Field(min_length=1)
    input: str | list[str] | list[int] | list[list[int]] = Field(min_length=1)


def embeddings_router(embed: Embed) -> APIRouter:
    """Serve embeddings."""
    router = APIRouter()

    @router.post(
        "/v1/embeddings",
        response_model=None,
        responses=answered(streams=False),
        openapi_extra=asking(EmbeddingsBody),
    )
    async def embeddings(request: Request) -> Response:
        """Embed the inputs, all or none."""
        asked = _decode(await json_body(request))
        match await embed(asked):
            case Refused(reason):
                raise InvalidInput(_WORDS[reason], param="input")
            case Embeddings() as given:
                return Response(orjson.dumps(_body(asked.model, given)), media_type="application/json")

    return router


def _decode(raw: bytes) -> EmbeddingRequest:
    body = decoded(EmbeddingsBody, raw)
    inputs = _inputs(body.input)
    if len(inputs) > _MOST_INPUTS:
        raise InvalidInput(f"input: at most {_MOST_INPUTS} in one request", param="input")
    if not all(inputs):
        raise InvalidInput("input: must not be empty", param="input")
    return EmbeddingRequest(body.model, inputs, body.model_extra or {})


def _inputs(given: str | list[str] | list[int] | list[list[int]]) -> tuple[str | Sequence[int], ...]:
    """Take one text or one list of tokens as a list of one."""
    if isinstance(given, str):
        return (given,)
    tokens = [one for one in given if isinstance(one, int)]
    return (tokens,) if tokens else tuple(one for one in given if not isinstance(one, int))


def _body(model: str, given: Embeddings) -> dict[str, Any]:
    entries = [
        {"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(given.vectors)
    ]
    usage = {"prompt_tokens": given.prompt_tokens, "total_tokens": given.prompt_tokens}
    return {"object": "list", "data": entries, "model": model, "usage": usage}
