"""Reading the settings: a configuration file, over it a ``.env`` file, over it the environment (``LETHE_…``)."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, SettingsError

from gateway.configuration import Configuration, nearest, read_configuration
from gateway.errors import InvalidInput
from gateway.settings import Settings, given_settings
from gateway.settings_upstreams import UpstreamSettings

__all__ = ["SECRETS", "check_configuration", "configuration_path", "read_settings"]

SECRETS: Final = frozenset(
    name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)
)
"""The settings whose values are keys: a configuration file holds none of them."""

_TESTS: Final = "LETHE_TEST_"
"""Begins the variables that the tests read: no setting does, so none is misspelt so."""


def read_settings(config: Path | None = None, **given: Any) -> Settings:
    """Read the settings: ``given`` ones win over the environment, it over .env, and that over the file.

    The file is ``config``, else what LETHE_CONFIG names, else none. Raises ``InvalidInput`` naming what is wrong,
    and in the file its line.
    """
    environment = _environment()
    path = configuration_path(config, environment)
    file = None if path is None else _file(path, environment)
    try:
        said = {**DotEnvSettingsSource(Settings)(), **EnvSettingsSource(Settings)()}
    except (SettingsError, UnicodeDecodeError, OSError) as error:
        raise InvalidInput(f'settings: {error}; lists are written as JSON, such as ["lexical"]') from None
    said |= {name: value for name, value in given.items() if value is not None}
    over = {name: said[name] for name in Settings.model_fields.keys() & said.keys()}
    return _settings({**(file.values if file else {}), **over}, over.keys(), file)


def configuration_path(given: Path | None, environment: Mapping[str, str] | None = None) -> Path | None:
    """Find the configuration file: the ``given`` one, else what LETHE_CONFIG names, else none."""
    named = (_environment() if environment is None else environment).get("LETHE_CONFIG")
    return given or (Path(named) if named else None)


def check_configuration(path: Path) -> Settings:
    """Read what a file says by itself, with the environment for its references alone. Raises ``InvalidInput``."""
    file = _file(path, _environment())
    return _settings(dict(file.values), (), file)


def _settings(values: Mapping[str, Any], outside: Collection[str], file: Configuration | None) -> Settings:
    try:
        return given_settings(**values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        complaints = (_complaint(detail["loc"], _told(detail), outside, file) for detail in details)
        raise InvalidInput("settings: " + "; ".join(complaints)) from None


def _complaint(loc: Sequence[str | int], told: str, outside: Collection[str], file: Configuration | None) -> str:
    """Say what is wrong, and where: in the file, or in the environment's variable."""
    if file is not None and loc and loc[0] in file.values and loc[0] not in outside:
        return str(file.wrong(loc, told))
    if not loc:  # about several settings together: the first that stands in the file shows the line
        names = [name.lower() for name in re.findall(r"LETHE_([A-Z_]+)", told)]
        here = next((name for name in names if file is not None and name in file.values), None)
        return told if file is None or here is None else f"{file.place(here)}: {told}"
    within = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc[1:])
    return f"LETHE_{str(loc[0]).upper()}{within}: {told}"


def _told(detail: Mapping[str, Any]) -> str:
    if detail["type"] == "extra_forbidden":
        near = nearest(str(detail["loc"][-1]), UpstreamSettings.model_fields)
        return "there is no such setting" + (f"; did you mean {near}?" if near else "")
    return str(detail["msg"]).removeprefix("Value error, ")


def _file(path: Path, environment: Mapping[str, str]) -> Configuration:
    return read_configuration(path, known=Settings.model_fields, secret=SECRETS, environment=environment)


def _environment() -> dict[str, str]:
    """Read .env and the environment. A misspelt setting would leave its default in force, and a door open."""
    try:
        said = {**dotenv_values(".env"), **os.environ}
    except (UnicodeDecodeError, OSError) as error:
        raise InvalidInput(f"settings: .env cannot be read: {error}") from None
    known = {f"LETHE_{name.upper()}" for name in Settings.model_fields} | {"LETHE_CACHE", "LETHE_CONFIG"}
    for name in sorted(said):
        if name.upper().startswith("LETHE_") and not name.upper().startswith(_TESTS) and name.upper() not in known:
            near = nearest(name.upper(), known)
            hint = f"; did you mean {near}?" if near else ""
            raise InvalidInput(f"there is no setting {name}{hint} (`lethe settings` lists them)")
    return {name: value for name, value in said.items() if value is not None}
