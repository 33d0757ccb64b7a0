"""The shape that a client asked for, a JSON schema or a tool's call, and a fallback in it. Knows no verdicts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import jsonschema_rs

from gateway.upstream.protocol import Choice

__all__ = ["Shaped", "Unfit", "call_required", "in_shape", "keeps_shape"]

Unfit: TypeAlias = Literal["unfit"]
"""Whatever had the shape would claim something, or do something."""

Shaped: TypeAlias = str | Unfit

_Validator: TypeAlias = jsonschema_rs.Validator

_MOST_SCHEMA_CHARS: Final = 120_000
"""As much as OpenAI takes in names and values."""
_MOST_VALUES: Final = 500
_DEEPEST: Final = 30
_ANSWER: Final = "answer"
_KEYS_OF: Final = {"properties": "object", "required": "object", "items": "array", "prefixItems": "array"}


class _Claims(Exception):
    """No instance is known that claims nothing."""


def in_shape(text: str, parameters: Mapping[str, Any]) -> Shaped | None:
    """Say ``text`` in the shape that a request asks for; None where it asks for none.

    Of a schema it is the smallest instance that claims nothing: null where that is allowed, else no items, no
    optional property, and ``text`` where a text must stand. Where the schema wants a number, a truth value or one
    of several words, any would be made up about something forgotten; and a call would be an action. It follows
    from the client's own schema and from ``text`` alone, and so tells nothing.
    """
    if call_required(parameters):
        return "unfit"
    wanted = parameters.get("response_format")
    if wanted is None or wanted == {"type": "text"}:
        return None
    if isinstance(wanted, Mapping) and wanted.get("type") == "json_object":
        return _written({_ANSWER: text})
    schema = _schema(wanted)
    validator = None if schema is None else _validator(schema)
    if validator is None:
        return "unfit"
    try:
        least = _Least(schema, text).of(schema)
    except _Claims:
        return "unfit"
    return _written(least) if validator.is_valid(least) else "unfit"


def keeps_shape(choice: Choice, parameters: Mapping[str, Any]) -> bool:
    """Say whether an answer has the shape that was asked for.

    What cannot be checked passes, since no promise about leaks hangs on it. So does what has another shape for
    good reason: calls, a refusal, an answer that is cut at the client's limit.
    """
    message = choice.message
    if message.get("tool_calls") or message.get("refusal") or choice.finish_reason == "length":
        return True
    wanted = parameters.get("response_format")
    if call_required(parameters):
        return False
    if not isinstance(wanted, Mapping) or wanted.get("type") not in ("json_object", "json_schema"):
        return True
    try:
        said = json.loads(str(message.get("content")))
    except (ValueError, RecursionError):
        return False
    if wanted["type"] == "json_object":
        return isinstance(said, dict)
    schema = _schema(wanted)
    validator = None if schema is None else _validator(schema)
    return validator is None or validator.is_valid(said)


def call_required(parameters: Mapping[str, Any]) -> bool:
    """Say whether nothing but a tool's call would do."""
    match parameters.get("tool_choice"):
        case None | "auto" | "none":
            return False
        case {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}:
            return False
        case _:
            return True


def _schema(wanted: object) -> Mapping[str, Any] | None:
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": dict() as schema}}:
            return schema
        case _:
            return None


def _validator(schema: Mapping[str, Any]) -> _Validator | None:
    """Compile a client's schema: nothing is fetched, no pattern takes long. None for what is no schema."""
    try:
        if len(json.dumps(schema)) > _MOST_SCHEMA_CHARS:
            return None
        return jsonschema_rs.validator_for(
            dict(schema),
            validate_formats=True,
            ignore_unknown_formats=True,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError):
        return None


class _Least:
    """Builds the smallest instance of one schema, whose shape a validator has approved."""

    def __init__(self, root: object, text: str) -> None:
        self._root = root
        self._text = text
        self._left = _MOST_VALUES

    def of(self, schema: object, depth: int = 0) -> Any:
        """Build an instance, or raise ``_Claims``. That it is one is for the validator to say."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise _Claims
        if not isinstance(schema, Mapping):
            return self._text
        if "$ref" in schema:
            return self.of(self._followed(schema["$ref"]), depth + 1)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return _only(schema["enum"])
        if len(all_of := schema.get("allOf", ())) == 1:
            return self.of(all_of[0], depth + 1)
        if branches := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
            return self._first(branches, depth)
        return self._typed(schema, depth)

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:
        match _type(schema):
            case "null":
                return None
            case "string":
                return self._text if len(self._text) <= schema.get("maxLength", len(self._text)) else ""
            case "array":
                return [self.of(schema.get("items"), depth + 1) for _ in self._places(schema)]
            case "object":
                within = schema.get("properties", {})
                return {name: self.of(within.get(name), depth + 1) for name in schema.get("required", ())}
            case _:
                raise _Claims

    def _first(self, branches: Sequence[object], depth: int) -> Any:
        for branch in sorted(branches, key=_is_something):
            try:
                return self.of(branch, depth + 1)
            except _Claims:
                continue
        raise _Claims

    def _places(self, schema: Mapping[str, Any]) -> range:
        least = schema.get("minItems", 0)
        if least > self._left:
            raise _Claims
        return range(int(least))

    def _followed(self, reference: str) -> object:
        """Find what a reference into the schema itself points at."""
        place = self._root
        for step in _steps(reference):
            if not isinstance(place, Mapping) or step not in place:
                raise _Claims
            place = place[step]
        return place


def _steps(reference: str) -> Iterator[str]:
    start, *steps = reference.split("/")
    if start != "#":
        raise _Claims
    return (step.replace("~1", "/").replace("~0", "~") for step in steps)


def _type(schema: Mapping[str, Any]) -> str:
    """Name the type that claims least of those allowed: a text where nothing is said of it."""
    said = schema.get("type") or next((type_ for key, type_ in _KEYS_OF.items() if key in schema), "string")
    allowed = [said] if isinstance(said, str) else said
    return next((type_ for type_ in ("null", "array", "object", "string") if type_ in allowed), "number")


def _is_something(schema: object) -> bool:
    return not (isinstance(schema, Mapping) and schema.get("type") == "null")


def _only(values: Sequence[Any]) -> Any:
    """Take null, or the one value that is allowed."""
    if None in values:
        return None
    if len(values) != 1:
        raise _Claims
    return values[0]


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
