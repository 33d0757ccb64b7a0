"""The hash chain of the audit log: how entries are bound to each other, and where a chain is broken. Pure.

Each row's hash is the SHA-256 of the hash before it, a line feed, and the entry's canonical JSON, so a row cannot
be edited, removed or moved without rewriting every row after it. Who can rewrite all of them is found out by a
head that was written down elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

__all__ = ["BEFORE_ALL", "Broken", "Chained", "Checked", "Whole", "canonical", "chained", "checked", "entry_of"]

BEFORE_ALL: Final = "0" * 64
"""What the first row follows."""


@dataclass(frozen=True, slots=True)
class Chained:
    """A row: its place from 1 on, its entry in canonical JSON, the hash it follows and its own."""

    number: int
    entry: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Whole:
    """Nothing is amiss. ``head`` is the last row's hash."""

    rows: int
    head: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The first thing that is amiss, in words that name the row."""

    what: str


Checked: TypeAlias = Whole | Broken


def canonical(entry: Mapping[str, Any]) -> str:
    """Write an entry so that it has one spelling: sorted keys, no blanks, letters as they are."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def chained(number: int, entry: Mapping[str, Any], previous: str) -> Chained:
    """Bind an entry to the row before it. Its number is part of what is hashed."""
    text = canonical({**entry, "number": number})
    return Chained(number, text, previous, _hash(previous, text))


def entry_of(row: Chained) -> dict[str, Any]:
    """Read a row's entry. Raises ``ValueError`` where it is no JSON object."""
    entry = json.loads(row.entry)
    if not isinstance(entry, dict):
        raise ValueError("an audit entry is not an object")
    return entry


def checked(rows: Iterable[Chained], *, revision: int | None = None, head: str | None = None) -> Checked:
    """Follow the chain from its first row, in the order of the numbers.

    ``revision`` is that of the policy: every write left an entry, so the last one is of this revision. ``head``
    is a hash from an earlier look, which has to be in the chain still.
    """
    previous, number, at_revision, seen = BEFORE_ALL, 0, None, set[str]()
    for row in rows:
        number += 1
        if wrong := _amiss(row, number, previous):
            return Broken(wrong)
        found = entry_of(row).get("revision")
        if at_revision is not None and found not in (at_revision, at_revision + 1):
            return Broken(f"row {number} is of revision {found}, and the row before of {at_revision}")
        at_revision, previous = found, row.hash
        seen.add(row.hash)
    if number == 0:
        return Broken("row 1 is missing: the log is empty, and it never begins so")
    if revision is not None and at_revision != revision:
        return Broken(f"row {number}, the last, is of revision {at_revision}, but the policy is at {revision}")
    if head is not None and head not in seen:
        return Broken(f"no row has the hash {head}: rows were removed at the end, or all rewritten")
    return Whole(number, previous)


def _amiss(row: Chained, number: int, previous: str) -> str | None:
    if row.number != number:
        return f"row {number} is missing: the next one is row {row.number}"
    if _hash(row.previous, row.entry) != row.hash:
        return f"row {number} was edited: its hash is not that of what it says"
    try:
        said = entry_of(row).get("number")
    except ValueError:
        return f"row {number} cannot be read"
    if said != number:
        return f"row {number} was moved: it was written as row {said}"
    return None if row.previous == previous else f"row {number} does not follow row {number - 1}: one was replaced"


def _hash(previous: str, entry: str) -> str:
    return hashlib.sha256(f"{previous}\n{entry}".encode("utf-8", "surrogatepass")).hexdigest()
