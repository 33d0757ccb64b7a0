"""The state of all watches in a file, so that a restart neither forgets an alarm nor begins anew."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from calibration.drift import audits_in, scores_in, state_out
from calibration.fields import field, object_in, optional
from gateway.drift.watch import MONITORS, Watch
from gateway.errors import InvalidInput

__all__ = ["read_watches", "state_path", "write_watches"]

SCHEMA: Final = "lethe.drift/1"


def state_path(database: Path | None) -> Path:
    """Name the file: beside the database's, or in the working directory where that is no file."""
    if database is None:
        return Path("lethe.drift.json")
    return database.with_name(f"{database.name}.drift.json")


def read_watches(path: Path) -> dict[str, Watch]:
    """Read the watches by the certificate's id; none where there is no file. Raises ``InvalidInput``.

    A damaged file is an error: to begin anew would forget an alarm.
    """
    if not path.exists():
        return {}
    try:
        source = object_in(path.read_text(encoding="utf-8"))
        if field(source, "schema", str) != SCHEMA:
            raise ValueError(f"this version reads {SCHEMA!r}")
        certificates: dict[str, object] = field(source, "certificates", dict)
        return {id_: _watch_in(field(certificates, id_, dict)) for id_ in certificates}
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"the state of the drift monitors in {path} cannot be read ({error}); put back a whole copy, or "
            "remove it and calibrate again: it may hold an alarm"
        ) from error


def write_watches(path: Path, watches: Mapping[str, Watch]) -> None:
    """Write whole or not at all, readable by the owner alone: it holds the seed. Raises ``OSError``.

    Another process that shares the database may have written: its alarms stay.
    """
    try:
        there: Mapping[str, Watch] = read_watches(path)
    except InvalidInput:
        there = {}
    together = {**there, **{id_: _with_alarms(watch, there.get(id_)) for id_, watch in watches.items()}}
    content = {"schema": SCHEMA, "certificates": {id_: _watch_out(watch) for id_, watch in together.items()}}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(json.dumps(content, allow_nan=False) + "\n")
    os.replace(partial, path)


def _with_alarms(mine: Watch, theirs: Watch | None) -> Watch:
    if theirs is None:
        return mine
    return replace(
        mine,
        scores=theirs.scores if theirs.scores.alarm and not mine.scores.alarm else mine.scores,
        audits=theirs.audits if theirs.audits.alarm and not mine.audits.alarm else mine.audits,
        beside=mine.beside | theirs.beside,
    )


def _watch_out(watch: Watch) -> dict[str, object]:
    return {
        "scores": json.loads(state_out(watch.scores)),
        "audits": json.loads(state_out(watch.audits)),
        "drawn": watch.drawn,
        "labelled": watch.labelled,
        "beside": sorted(watch.beside),
    }


def _watch_in(source: Mapping[str, object]) -> Watch:
    return Watch(
        scores=scores_in(json.dumps(field(source, "scores", dict))),
        audits=audits_in(json.dumps(field(source, "audits", dict))),
        drawn=field(source, "drawn", int),
        labelled=field(source, "labelled", int),
        beside=frozenset(name for name in MONITORS if name in (optional(source, "beside", list) or ())),
    )
