"""A configuration file: YAML in, values and their lines out. Knows the settings by name alone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from gateway.errors import InvalidInput
from gateway.yaml_lines import compose, entry, follow, line_of, read_text, wrong

__all__ = ["REFERENCE", "Configuration", "nearest", "read_configuration"]

REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A value that stands in the environment: ``${NAME}``, and nothing beside it."""

_PREFIX: Final = "lethe_"


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says: values by the settings' names, references to the environment already replaced."""

    source: str
    values: Mapping[str, Any]
    tree: yaml.Node | None

    def wrong(self, loc: Sequence[str | int], what: str) -> InvalidInput:
        """Make the error about the value at ``loc``, such as ``("upstreams", 0, "url")``."""
        if self.tree is None:
            return InvalidInput(f"{self.source}: {what}")
        return wrong(self.source, *follow(self.tree, loc), what)

    def place(self, name: str) -> str:
        """Say where a setting stands, as in ``lethe.yaml, line 3``."""
        return f"{self.source}, line {line_of(entry(self.tree, name))}"


def read_configuration(
    path: Path, *, known: Collection[str], secret: Collection[str], environment: Mapping[str, str]
) -> Configuration:
    """Read a file that maps settings to values.

    Raises ``InvalidInput``, naming file and line, for a setting that is not ``known``, a ``secret`` whose value
    stands there, and a reference to a variable that is not set.
    """
    source = str(path)
    tree, data = compose(read_text(path), source)
    if data is None:
        return Configuration(source, {}, tree)
    if not isinstance(tree, yaml.MappingNode) or not isinstance(data, dict):
        raise wrong(source, tree, "", "must be a mapping of settings to values, as in `port: 8000`")
    for key, _ in tree.value:
        if key.value not in known or key.value not in data:
            raise wrong(source, key, str(key.value), f"there is no such setting{_hint(str(key.value), known)}")
    configuration = Configuration(source, data, tree)
    for name, value in data.items():
        if name in secret and value is not None and not _is_reference(value):
            what = "a secret does not belong in this file: write ${NAME} and set that environment variable"
            raise configuration.wrong((name,), what)
    try:
        values = {name: _resolved(configuration, (name,), value, environment) for name, value in data.items()}
    except RecursionError:
        raise wrong(source, tree, "", "an anchor stands inside itself") from None
    return Configuration(source, values, tree)


def nearest(name: str, known: Collection[str]) -> str:
    """Find what a misspelt name was meant to be, "" where nothing is near."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1)), "")


def _hint(name: str, known: Collection[str]) -> str:
    """Names are written without the environment's prefix here."""
    plain = name.lower().removeprefix(_PREFIX).replace("-", "_")
    near = nearest(plain, known)
    return f"; did you mean {near}?" if near else " (`lethe settings` lists them)"


def _is_reference(value: object) -> bool:
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


def _resolved(
    configuration: Configuration, loc: tuple[str | int, ...], value: Any, environment: Mapping[str, str]
) -> Any:
    """Replace a reference, and those within lists and mappings."""
    match value:
        case dict():
            inner = value.items()
            return {key: _resolved(configuration, (*loc, key), one, environment) for key, one in inner}
        case list():
            return [_resolved(configuration, (*loc, at), one, environment) for at, one in enumerate(value)]
        case str() if (found := REFERENCE.fullmatch(value)) is not None:
            if (given := environment.get(found[1])) is None:
                raise configuration.wrong(loc, f"the environment variable {found[1]} is not set")
            return given
    return value
