"""The settings as a page, as an environment file to start from and as a schema, made from the settings object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway.configuration import REFERENCE
from gateway.settings import HOT, Settings
from gateway.settings_reading import SECRETS
from gateway.settings_upstreams import UpstreamSettings

__all__ = ["configuration_schema", "environment_example", "settings_page"]

_HEAD = """# Settings

Read at start: from a [configuration file](configuration.md), where they are written in lower case and without the
prefix (`rounds: 5`), from a file `.env` in the working directory, from the environment, and from options of the
command; each wins over the one before. This page is made from `gateway/settings.py`
(`lethe settings --format markdown`).

Those marked ↻ take effect in a running gateway when the configuration file changes
([how](configuration.md#changing-a-running-gateway)); the others need a restart.

| variable | default | | meaning |
|---|---|---|---|
"""


_PLAIN: Final = ("integer", "number", "boolean", "null")

_UPSTREAMS: Final = """
## Each of `upstreams`

| key | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """Write docs/settings.md."""
    rows = (
        f"| `{_variable(name)}` | {_shown(field)} | {'↻' if name in HOT else ''} "
        f"| {field.description}{_choices(field)} |\n"
        for name, field in Settings.model_fields.items()
    )
    return _HEAD + "".join(rows) + _UPSTREAMS + "".join(_upstream_rows())


def _upstream_rows() -> Iterator[str]:
    for name, field in UpstreamSettings.model_fields.items():
        default = "required" if field.is_required() else _shown(field)
        yield f"| `{name}` | {default} | {field.description} |\n"


def configuration_schema() -> str:
    """Write examples/lethe.schema.json: the configuration file as JSON Schema, which editors complete from."""
    schema = Settings.model_json_schema()
    properties = {name: _in_file(name, schema["properties"][name]) for name in schema["properties"]}
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Lethe's configuration file",
        "properties": properties,
        "additionalProperties": False,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _in_file(name: str, described: Mapping[str, Any]) -> Mapping[str, Any]:
    """Say that a secret can only be a reference to the environment, and that another plain value may be one."""
    reference = {"type": "string", "pattern": f"^{REFERENCE.pattern}$"}
    if name in SECRETS:
        return {"description": described["description"], **reference}
    kept = {key: described[key] for key in ("description", "default", "title")}
    values = described.get("anyOf") or [{key: value for key, value in described.items() if key not in kept}]
    plain = all("const" in value or value.get("type") in _PLAIN for value in values)
    return {**kept, "anyOf": [*values, reference]} if plain else described


def environment_example() -> str:
    """Write examples/lethe.env: every variable with its default, commented out."""
    lines = ["# Every setting with its default. Made by `lethe settings --format env`.\n"]
    for name, field in Settings.model_fields.items():
        lines.append(f"\n# {field.description}{_choices(field)}\n# {_variable(name)}={_written(field.default)}\n")
    return "".join(lines)


def _variable(name: str) -> str:
    return f"LETHE_{name.upper()}"


def _shown(field: FieldInfo) -> str:
    written = _written(field.default)
    return f"`{written}`" if written else "unset"


def _written(value: Any) -> str:
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, tuple | list | dict | bool):
        return json.dumps(value)
    return str(value)


def _choices(field: FieldInfo) -> str:
    values = [arg for arg in _literals(field.annotation) if isinstance(arg, str)]
    if values and bool in get_args(field.annotation):
        values = ["false", "true", *values]
    return f" One of: {', '.join(values)}." if values else ""


def _literals(annotation: Any) -> tuple[Any, ...]:
    """Find the words that a field, or each entry of a list, may take."""
    found: list[Any] = []
    for arg in get_args(annotation):
        found += [arg] if isinstance(arg, str) else _literals(arg)
    return tuple(found)
