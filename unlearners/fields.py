"""Strict reading of JSON fields, for the files of this package. Errors name the field, never its value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeVar

__all__ = ["field", "list_of", "numbers_in", "object_in", "optional"]

T = TypeVar("T")

_NAMES: Mapping[type, str] = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a text",
}


def object_in(text: str) -> dict[str, object]:
    """Parse a JSON object. Raises ``ValueError`` for anything else, NaN and infinities included."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise ValueError("not JSON of this kind (nested too deeply)") from None
    return _typed(value, "the file", dict)


def field(source: Mapping[str, object], name: str, kind: type[T]) -> T:
    """Return a field that must be there. A whole number will do for a number; true and false will not."""
    if name not in source:
        raise ValueError(f"the field {name!r} is missing")
    return _typed(source[name], f"the field {name!r}", kind)


def optional(source: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    """Return a field, or None where it is absent or null."""
    return None if source.get(name) is None else field(source, name, kind)


def list_of(source: Mapping[str, object], name: str, kind: type[T]) -> list[T]:
    """Return a field that lists values of one kind."""
    values: list[object] = field(source, name, list)
    return [_typed(value, f"each of {name!r}", kind) for value in values]


def numbers_in(source: Mapping[str, object], name: str) -> tuple[int, ...]:
    """Return a field that lists whole numbers."""
    return tuple(list_of(source, name, int))


def _typed(value: object, what: str, kind: type[T]) -> T:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{what} must be {_NAMES[kind]}")
    return value


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number that this file may hold")
