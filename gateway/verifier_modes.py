"""Which verifiers the settings have, and which modes they may be given. Opens none and knows no database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.errors import Inapplicable
from gateway.settings import Settings
from gateway.store.records import Mode

__all__ = ["modes_in_force", "require_applicable"]

_ENFORCED: Final = ("verifiers", "screened_verifiers", "doubted_verifiers")


def modes_in_force(settings: Settings, given: Mapping[str, Mode]) -> dict[str, Mode]:
    """Give the mode of every configured verifier: the one that was set, else that of the list it stands in."""
    modes: dict[str, Mode] = {name: "monitor" for name in settings.monitored_verifiers}
    modes |= {name: "enforce" for list_ in _ENFORCED for name in getattr(settings, list_)}
    return {name: given.get(name, mode) for name, mode in modes.items()}


def require_applicable(settings: Settings, given: Mapping[str, Mode], name: str, mode: Mode) -> None:
    """Refuse a mode under which this configuration could not judge. Raises ``Inapplicable``."""
    modes = modes_in_force(settings, given)
    if name not in modes:
        raise Inapplicable(
            f"there is no verifier {name!r} here; the configured ones are {', '.join(sorted(modes))}", param="name"
        )
    if settings.learned_model is not None and name not in (
        *settings.monitored_verifiers,
        *settings.doubted_verifiers,
    ):
        raise Inapplicable(f"{name} is part of the learned score; unset LETHE_LEARNED_MODEL first", param="mode")
    after = {**modes, name: mode}
    if not any(after[one] == "enforce" for one in (*settings.verifiers, *settings.monitored_verifiers)):
        raise Inapplicable("at least one verifier that judges every answer has to be enforced", param="mode")
