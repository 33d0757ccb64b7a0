"""What a request holds beside its messages: what an answer may repeat of it, and what it would be picking from.

Who picks a value of a schema, or a word of a field that the model does not read, tells it, though the client wrote
it down. Knows no topics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["without_choices"]

_OFFERED = ("enum", "const", "pattern", "examples", "default", "description", "title")
_SHAPES = ("response_format", "tools", "functions")


def without_choices(parameters: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Keep of schemas and of tools what an answer has to say, and of all else nothing; None where that is all."""
    left = {name: _left(parameters[name]) for name in _SHAPES if name in parameters}
    return None if left == parameters else left


def _left(value: Any) -> Any:
    match value:
        case {"name": str(), **rest} if not _has_arguments(rest.get("parameters")) and "schema" not in rest:
            return {key: _left(inner) for key, inner in rest.items()}
        case Mapping():
            return {key: _named(key, inner) for key, inner in value.items() if key not in _OFFERED}
        case list() | tuple():
            return [_left(inner) for inner in value]
    return value


def _named(key: str, value: Any) -> Any:
    """Leave out what is offered, and the names of what is true or not."""
    if key == "properties" and isinstance(value, Mapping):
        return {name: _left(inner) for name, inner in value.items() if not _is_truth(inner)}
    return _left(value)


def _is_truth(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return True
    kind = schema.get("type")
    return kind is None or not {"boolean", "null"}.isdisjoint(kind if isinstance(kind, list) else [kind])


def _has_arguments(schema: Any) -> bool:
    return isinstance(schema, Mapping) and bool(schema.get("properties"))
