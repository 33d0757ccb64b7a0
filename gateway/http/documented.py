"""What our OpenAPI document says of errors and of answers. Knows no routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import Depends
from fastapi.security import HTTPBearer
from pydantic import BaseModel

__all__ = ["ADMIN", "ANSWERING", "BEARER", "LISTING", "METERED", "answered", "asking", "failures"]

BEARER: Final = Depends(
    HTTPBearer(auto_error=False, description="A client's, the operator's or the metrics' key.")
)
"""Says in the document that a key is sent as a bearer token. Lets everybody through: others look at the key."""

ANSWERING: Final = (400, 401, 404, 408, 413, 415, 422, 429, 500, 502, 503, 504)
LISTING: Final = (401, 404, 500, 502, 503, 504)
METERED: Final = (401, 403, 500)
ADMIN: Final = (400, 401, 403, 404, 408, 409, 413, 422, 500, 503)


class Problem(BaseModel):
    """What went wrong, in OpenAI's words. Quotes nothing of the request."""

    message: str
    type: str
    param: str | None
    code: str | None


class ProblemBody(BaseModel):
    """The body of every error."""

    error: Problem


def failures(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """Document these statuses, each with the one shape that errors have."""
    return {status: {"model": ProblemBody, "description": HTTPStatus(status).phrase} for status in statuses}


def answered(*, streams: bool) -> dict[int | str, dict[str, Any]]:
    """Document an answer in OpenAI's own schema, which is not repeated here, and its stream of events."""
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if streams:
        content["text/event-stream"] = {"schema": {"description": "One server-sent event."}}
    return {200: {"description": "As OpenAI's API answers.", "content": content}}


def asking(shape: type[BaseModel]) -> dict[str, Any]:
    """Document a body that a route reads by itself."""
    schema = shape.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, parts: Mapping[str, Any]) -> Any:
    """Put each part in the place of the reference to it, which would lead nowhere from the document's root."""
    match schema:
        case {"$ref": str(name)}:
            return _inlined(parts[name.removeprefix("#/$defs/")], parts)
        case dict():
            return {key: _inlined(inner, parts) for key, inner in schema.items()}
        case list():
            return [_inlined(inner, parts) for inner in schema]
    return schema
