"""`lethe drift status`: what the monitors' state file says of each certificate. Asks no running gateway."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from calibration.drift import Audits, Scores
from gateway.certificates import stored_certificate
from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.cli.tables import print_table
from gateway.drift.state import read_watches, state_path
from gateway.drift.watch import MONITORS, Monitor, Watch
from gateway.settings_reading import read_settings
from gateway.store.store import Store

__all__ = ["status"]


@dataclass(frozen=True, slots=True)
class _Standing:
    """One monitor: how many scores or labels it has seen, and its evidence, of which ``rings_at`` is an alarm.

    Evidence is the natural logarithm of a wealth, ``highest`` the most there ever was: that decides.
    ``beside``: the same monitor of another certificate of the same model rang, which holds for this one as well.
    """

    certificate: str
    in_force: bool
    monitor: Monitor
    seen: int
    waiting: int
    evidence: float
    highest: float
    rings_at: float
    alarm: bool
    beside: bool


@reporting_failures()
def status(
    database: Database = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
) -> None:
    """Show what the monitors of drift found, from their state file.

    It may be 1,000 scores behind a running gateway; alarms and drawn or labelled audits are written at once.
    A certificate in force by which no conversation about a topic was answered shows zeroes.
    """
    settings = read_settings(database=database)
    active, stored_at = with_store(database, _looked_up)
    path = settings.drift_file or state_path(stored_at)
    watches = {id_: watch.held_to(settings.drift_delta) for id_, watch in read_watches(path).items()}
    fresh = {
        id_: Watch(Scores(0, settings.drift_delta), Audits(level, settings.drift_delta)) for id_, level in active
    }
    found = list(_standings({**fresh, **watches}, frozenset(fresh)))
    if as_json:
        for one in found:
            typer.echo(json.dumps(asdict(one)))
        return
    _print(found)
    typer.echo(f"{path}: {_written(path)}")


async def _looked_up(store: Store) -> tuple[list[tuple[str, float]], Path | None]:
    """Give the certificates in force with their levels, and the database's file."""
    active = [stored_certificate(body) for body in await store.active_certificates()]
    return [(certificate.id, certificate.level) for certificate in active], store.database.path


def _standings(watches: Mapping[str, Watch], in_force: frozenset[str]) -> Iterator[_Standing]:
    for id_, watch in sorted(watches.items(), key=lambda one: (one[0] not in in_force, one[0])):
        for name in MONITORS:
            monitor = watch.monitor(name)
            yield _Standing(
                certificate=id_,
                in_force=id_ in in_force,
                monitor=name,
                seen=sum(watch.scores.counts) if name == "scores" else monitor.wealth.bets,
                waiting=watch.drawn - watch.labelled if name == "audits" else 0,
                evidence=round(monitor.wealth.log, 3),
                highest=round(monitor.wealth.log_peak, 3),
                rings_at=round(-math.log(monitor.delta), 3),
                alarm=monitor.alarm,
                beside=name in watch.beside,
            )


def _print(found: list[_Standing]) -> None:
    table = Table(
        "certificate", "in force", "monitor", "seen", "unlabelled", "evidence", "highest", "rings at", "alarm"
    )
    for one in found:
        numbers = (one.seen, one.waiting, one.evidence, one.highest, one.rings_at)
        words = (
            "yes" if one.in_force else "no",
            one.monitor,
            *map(str, numbers),
            "ALARM" if one.alarm else "ALARM of another certificate" if one.beside else "none",
        )
        table.add_row(one.certificate, *words)
    print_table(table)


def _written(path: Path) -> str:
    if not path.exists():
        return "not written yet"
    return f"written {datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d %H:%M:%S} UTC"
