"""`lethe audit …`: each command parses, calls one function, prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.box import SIMPLE
from rich.table import Column, Table
from rich.text import Text

from gateway.cli.failures import reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.cli.tables import print_table
from gateway.errors import InvalidInput
from gateway.store.chain import Broken, Chained, Whole, canonical, checked, entry_of

__all__ = ["app"]

BROKEN = 1

app = typer.Typer(name="audit", help="Who changed what is forgotten, and when.", no_args_is_help=True)


@app.command("list")
@reporting_failures()
def list_entries(
    last: Annotated[int, typer.Option(min=1, help="How many entries, the newest last.")] = 20,
    database: Database = None,
) -> None:
    """List the newest entries. Says nothing of whether the log is whole: `lethe audit verify` does."""
    rows = _log(database)[1][-last:]
    table = Table(
        Column("row", justify="right"), "revision", "when", "who", "what", "subject", "changed", box=SIMPLE
    )
    for row in rows:
        table.add_row(str(row.number), *(Text(cell) for cell in _cells(row)))
    print_table(table)


@app.command()
@reporting_failures()
def verify(
    head: Annotated[str | None, typer.Option(help="A hash that `lethe audit head` printed earlier.")] = None,
    file: Annotated[Path | None, typer.Option(help="An exported log, in place of the database's.")] = None,
    database: Database = None,
) -> None:
    """Follow the whole chain, and compare what it says last with the database.

    Exits with 1 and names the row that was edited, removed or moved, or what was changed without one.
    """
    revision, rows = _log(database) if file is None else (None, tuple(_read(file)))
    match checked(rows, revision=revision, head=head):
        case Broken(what):
            _broken(what)
        case Whole(count, newest):
            missed = None if file else with_store(database, lambda store: store.unlogged())
            if missed is not None:
                _broken(missed)
            typer.echo(f"the log is whole: {count} rows\nhead {newest}")


@app.command("head")
@reporting_failures()
def show_head(database: Database = None) -> None:
    """Print the newest row's hash, to keep where whoever can write the database cannot."""
    revision, rows = _log(database)
    match checked(rows, revision=revision):
        case Broken(what):
            _broken(what)
        case Whole(_, newest):
            typer.echo(newest)


@app.command()
@reporting_failures()
def export(
    out: Annotated[Path | None, typer.Option(help="File to write, which must not exist. Default: print.")] = None,
    database: Database = None,
) -> None:
    """Write the log as JSON Lines, verified or not: `number`, `entry`, `previous`, `hash`."""
    text = "".join(_line(row) for row in _log(database)[1])
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InvalidInput(f"cannot write {out}: {error.strerror}", param="out") from error
    typer.echo(f"wrote {len(text.splitlines())} rows to {out}")


def _log(database: str | None) -> tuple[int, Sequence[Chained]]:
    return with_store(database, lambda store: store.audit())


def _broken(what: str) -> NoReturn:
    typer.echo(f"lethe: the audit log is broken: {what}", err=True)
    raise typer.Exit(BROKEN)


def _cells(row: Chained) -> tuple[str, ...]:
    try:
        entry = entry_of(row)
    except ValueError:
        return ("", "", "", "cannot be read", "", "")
    changed = entry.get("changed")
    named = ", ".join(map(str, changed)) if isinstance(changed, list) else ""
    return (*(str(entry.get(name, "")) for name in ("revision", "at", "who", "what", "subject")), named)


def _line(row: Chained) -> str:
    """Write a row; an entry that cannot be read stays the text that it is."""
    try:
        entry: Any = entry_of(row)
    except ValueError:
        entry = row.entry
    fields = {"number": row.number, "entry": entry, "previous": row.previous, "hash": row.hash}
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _read(file: Path) -> Iterator[Chained]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {file}: it is not there, or no text", param="file") from error
    for place, line in enumerate(text.split("\n"), start=1):
        match _json(line) if line else {}:
            case {"number": int(number), "entry": dict(entry), "previous": str(previous), "hash": str(hash_)}:
                yield Chained(number, canonical(entry), previous, hash_)
            case _ if line:
                raise InvalidInput(f"{file}, line {place}: not a row of an exported log", param="file")


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None
