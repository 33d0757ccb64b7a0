"""How a model was made: its method, its settings by name, and how its data were read. Knows no method."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from unlearners.fields import field, object_in

__all__ = ["EACH", "FILE", "NAMED", "UNITS", "Recipe", "Value", "read_recipe", "settings_of"]

FILE = "recipe.json"

UNITS = "units"
NAMED, EACH = "named", "each dialogue by itself"
"""How dialogues were put into units: by the name on each line, or, since no line names one, each by itself."""

_KINDS: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "float | None": (int, float, type(None)),
}
"""What may be given for a field, by its annotation; all others are texts."""

SettingsT = TypeVar("SettingsT")

Value: TypeAlias = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model was made: the method, all its settings, and how its data were read."""

    method: str
    settings: Mapping[str, Value]
    data: Mapping[str, Value]

    def to_json(self) -> str:
        """Encode as JSON text, newline included."""
        content = {"method": self.method, "settings": dict(self.settings), "data": dict(self.data)}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_recipe(directory: Path) -> Recipe:
    """Read how a directory's model was made. Raises ``ValueError`` where it is not one of this version."""
    try:
        source = object_in((directory / FILE).read_text(encoding="utf-8"))
        settings: dict[str, Value] = field(source, "settings", dict)
        data: dict[str, Value] = field(source, "data", dict)
        return Recipe(field(source, "method", str), settings, data)
    except FileNotFoundError:
        raise ValueError(f"{directory} does not hold a model made here: it has no {FILE}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{directory} does not hold a model made here: {error}") from None


def settings_of(
    kind: Callable[..., SettingsT], given: Mapping[str, Value], *, besides: Collection[str] = (), **defaults: Value
) -> SettingsT:
    """Make settings from what was given; ``besides`` may be given as well, elsewhere.

    Raises ``ValueError`` naming what is unknown, missing or unusable.
    """
    known: tuple[Any, ...] = fields(kind)  # type: ignore[arg-type]  # a dataclass, called to make one
    names = {one.name for one in known}
    if strangers := sorted(set(given) - names):
        raise ValueError(
            f"there is no setting {strangers[0]!r}; the settings are {', '.join(sorted({*names, *besides}))}"
        )
    whole = {**defaults, **given}
    if missing := [one.name for one in known if one.default is MISSING and one.name not in whole]:
        raise ValueError(f"these settings have no default and must be given: {', '.join(missing)}")
    if whole.get("radius") == "infinite":
        whole["radius"] = math.inf  # JSON has no infinity
    for one in known:
        if one.name in whole and type(whole[one.name]) not in _KINDS.get(one.type, (str,)):
            raise ValueError(
                f"the setting {one.name!r} cannot be {whole[one.name]!r}: it is of the kind {one.type}"
            )
    return kind(**whole)
