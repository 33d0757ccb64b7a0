"""Reading a body: that it says it is JSON, and that it has the shape it should. Quotes nothing of it."""

from __future__ import annotations

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from gateway.errors import InvalidInput, WrongContentType

__all__ = ["decoded", "json_body"]

_Body = TypeVar("_Body", bound=BaseModel)


async def json_body(request: Request) -> bytes:
    """Read the whole body. Raises ``WrongContentType`` where it says that it is not JSON, ``TooLarge``."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise WrongContentType("the body must be JSON: send the header `content-type: application/json`")
    return await request.body()


def decoded(shape: type[_Body], raw: bytes) -> _Body:
    """Read a body. Raises ``InvalidInput`` naming the field, quoting nothing of it."""
    try:
        return shape.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        raise InvalidInput("the body is not valid JSON")
    param = _field(shape, first["loc"])
    raise InvalidInput(f"{param or 'the body'}: {first['msg']}", param=param or None)


def _field(shape: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Name the field, without the branch of a union that pydantic names behind it."""
    if loc and loc[0] in shape.model_fields and _is_union(shape, str(loc[0])):
        loc = loc[:1]
    return ".".join(str(part) for part in loc)


def _is_union(shape: type[BaseModel], field: str) -> bool:
    branches = getattr(shape.model_fields[field].annotation, "__args__", ())
    return sum(branch is not type(None) for branch in branches) > 1
