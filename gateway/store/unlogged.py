"""What stands in the database and not in its log: a change made behind Lethe's back. Opens no transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.store.audit_rows import KINDS, State, told
from gateway.store.chain import Chained, canonical, entry_of

__all__ = ["unlogged"]

_BESIDE: Final = tuple(f"{name} " for name, kind in KINDS.items() if not kind.of_the_policy)


def unlogged(rows: Sequence[Chained], now: State) -> str | None:
    """Name the first thing that is not as a whole log says last; None where everything is.

    What was there before the log began is compared from its first entry on; what processes write unlogged, such as
    how far a calibration is, not at all. Quotes nothing but names.
    """
    last: dict[str, Mapping[str, Any] | None] = {}
    begun_empty = bool(rows) and entry_of(rows[0]).get("revision") == 0
    for row in rows:
        entry = entry_of(row)
        last[str(entry.get("subject"))] = entry.get("after")
    here = {f"{kind} {key}": told(kind, values) for (kind, key), values in now.items()}
    for subject in sorted(here.keys() | last.keys()):
        if not subject or subject.startswith(_BESIDE) or (subject not in last and not begun_empty):
            continue
        if what := _difference(subject, last.get(subject), here.get(subject)):
            return what
    return None


def _difference(subject: str, logged: Mapping[str, Any] | None, found: Mapping[str, Any] | None) -> str | None:
    if logged is None or found is None:
        if logged is None and found is None:
            return None
        return f"{subject} {'is there' if found else 'is gone'}, and no entry says so"
    names = [
        name for name in logged if name in found and canonical({"": logged[name]}) != canonical({"": found[name]})
    ]
    return f"{subject} was changed without an entry: {', '.join(names)}" if names else None
