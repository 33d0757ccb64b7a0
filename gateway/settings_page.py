"""The settings as a page to read and as an environment file to start from, both made from the settings object."""

from __future__ import annotations

import json
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway.settings import Settings

__all__ = ["environment_example", "settings_page"]

_HEAD = """# Settings

Read once at start, from the environment and from a file `.env` in the working directory; the environment wins,
and an option of the command line wins over both. This page is made from `gateway/settings.py`
(`lethe settings --format markdown`).

| variable | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """Write docs/settings.md."""
    rows = (
        f"| `{_variable(name)}` | {_shown(field)} | {field.description}{_choices(field)} |\n"
        for name, field in Settings.model_fields.items()
    )
    return _HEAD + "".join(rows)


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
    return f" One of: {', '.join(values)}." if values else ""


def _literals(annotation: Any) -> tuple[Any, ...]:
    """Find the words that a field, or each entry of a list, may take."""
    found: list[Any] = []
    for arg in get_args(annotation):
        found += [arg] if isinstance(arg, str) else _literals(arg)
    return tuple(found)
