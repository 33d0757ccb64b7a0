"""`lethe topics …`: each command parses, calls one function, prints."""

from __future__ import annotations

import difflib
import json
from collections.abc import Awaitable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from pydantic import ValidationError
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from gateway.cli.failures import reporting_failures
from gateway.cli.modes import ModeName
from gateway.cli.private_topics import hash_command, new_key_command, private_records
from gateway.cli.stores import Database, with_store
from gateway.errors import InvalidInput, NotFound
from gateway.store.records import Fallback, ForgetTopic, Mode
from gateway.store.store import Store
from gateway.store.wire import TopicBody, explain, field_path, topic_body
from gateway.topics_file import dump_topics, load_topics
from verifiers.private.topic import PrivateTopic

__all__ = ["app"]

T = TypeVar("T")

_STATES: Final[Mapping[Mode, str]] = {"enforce": "on", "monitor": "monitored", "off": "off"}

app = typer.Typer(name="topics", help="What the model must seem never to have known.", no_args_is_help=True)
app.command("new-key")(new_key_command)
app.command("hash")(hash_command)


class Style(StrEnum):
    """What clients read in place of an answer."""

    UNAWARE = "unaware"
    REFUSE = "refuse"
    CUSTOM = "custom"


TopicId = Annotated[str, typer.Argument(metavar="ID", help="The topic's id, as `lethe topics list` shows it.")]


@app.command()
@reporting_failures()
def add(
    name: Annotated[str | None, typer.Option(help="The topic's name.")] = None,
    topic_id: Annotated[str | None, typer.Option("--id", help="Its id; derived from the name.")] = None,
    alias: Annotated[list[str] | None, typer.Option(help="Another name; may be repeated.")] = None,
    fact: Annotated[list[str] | None, typer.Option(help="What gives it away; may be repeated.")] = None,
    protect: Annotated[list[str] | None, typer.Option(help="A passage to protect; may be repeated.")] = None,
    description: Annotated[str, typer.Option(help="What it is.")] = "",
    fallback: Annotated[Style, typer.Option(help="What clients read instead.")] = Style.UNAWARE,
    fallback_text: Annotated[str | None, typer.Option(help="The words of `--fallback custom`.")] = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="Write it down, but do not forget it yet.")] = False,
    file: Annotated[Path | None, typer.Option(help="A YAML file of topics, imported all or none.")] = None,
    private: Annotated[
        Path | None, typer.Option(help="A file of `lethe topics hash`, imported all or none.")
    ] = None,
    database: Database = None,
) -> None:
    """Add one topic by its options, or the topics of a file, plain or hashed. They are active unless said not."""
    options = {
        "name": name,
        "id": topic_id,
        "aliases": alias or None,
        "facts": fact or None,
        "protected_texts": protect or None,
        "description": description or None,
        "active": False if inactive else None,
        "fallback": _fallback(fallback, fallback_text),
    }
    given = {field: value for field, value in options.items() if value is not None}
    if private is not None:
        topics = _hashed(private, given | ({"file": file} if file else {}), fallback, inactive=inactive)
    else:
        topics = _parse(given) if file is None else _load(file, given)

    async def write(store: Store) -> tuple[int, str]:
        return await store.add(*topics), store.shown

    revision, shown = with_store(database, write, create=True)
    for topic in topics:
        typer.echo(f"added {topic.topic.id} ({_state(topic)})")
    typer.echo(f"revision {revision} of {shown}")


@app.command("list")
@reporting_failures()
def list_topics(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print a file for `add --file`.")] = False,
    database: Database = None,
) -> None:
    """List all topics."""
    topics = with_store(database, lambda store: store.topics())
    if as_json:
        bodies = [topic_body(topic).model_dump() for topic in topics]
        typer.echo(json.dumps(bodies, ensure_ascii=False, indent=2))
    elif as_yaml:
        typer.echo(dump_topics(topics), nl=False)
    else:
        console = Console()
        # Ids are there to be copied, so a pipe gets lines as long as they need.
        console.print(_table(topics) if topics else "no topics", width=None if console.is_terminal else 10_000)


@app.command()
@reporting_failures()
def show(topic_id: TopicId, database: Database = None) -> None:
    """Print one topic as YAML."""
    topic = with_store(database, lambda store: _nearby(store, topic_id, store.topic(topic_id)))
    typer.echo(dump_topics([topic]), nl=False)


@app.command()
@reporting_failures()
def on(topic_id: TopicId, database: Database = None) -> None:
    """Begin to forget a topic, from the next request on."""
    _switch(database, topic_id, "enforce")


@app.command()
@reporting_failures()
def off(topic_id: TopicId, database: Database = None) -> None:
    """Cease to forget a topic, from the next request on."""
    _switch(database, topic_id, "off")


@app.command()
@reporting_failures()
def mode(
    topic_id: TopicId,
    mode: Annotated[ModeName, typer.Argument(help="What is done about it.")],
    database: Database = None,
) -> None:
    """Set what is done about a topic: `monitor` only counts what forgetting it would do (see docs/modes.md)."""
    _switch(database, topic_id, mode.wanted)


@app.command()
@reporting_failures()
def rm(
    topic_id: TopicId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Database = None,
) -> None:
    """Remove a topic, with everything that was written down about it."""
    if not yes:
        typer.confirm(f"Remove {topic_id}? The model will be free to speak of it", abort=True)
    revision = with_store(database, lambda store: _nearby(store, topic_id, store.remove(topic_id)))
    typer.echo(f"removed {topic_id}\nrevision {revision}")


def _switch(database: str | None, topic_id: str, mode: Mode) -> None:
    revision = with_store(database, lambda store: _nearby(store, topic_id, store.set_mode(topic_id, mode)))
    typer.echo(f"{topic_id} is {_STATES[mode]}\nrevision {revision}")


async def _nearby(store: Store, topic_id: str, work: Awaitable[T]) -> T:
    """Do the work; where the topic is unknown, name the ids most like it. For the operator's eyes only."""
    try:
        return await work
    except NotFound as error:
        ids = [topic.topic.id for topic in await store.topics()]
        near = difflib.get_close_matches(topic_id, ids, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "`lethe topics list` shows them all"
        raise NotFound(f"there is no topic {topic_id!r}; {hint}") from error


def _load(file: Path, given: dict[str, object]) -> list[ForgetTopic]:
    if given:
        raise InvalidInput("--file goes alone: the file says everything about its topics", param="file")
    return load_topics(file)


def _hashed(file: Path, given: dict[str, object], style: Style, *, inactive: bool) -> list[ForgetTopic]:
    """Custom words are refused: they would be plain text beside the hashes."""
    if given.keys() - {"active", "fallback"} or style is Style.CUSTOM:
        raise InvalidInput("with --private go only --inactive and --fallback unaware|refuse", param="private")
    return private_records(
        file, active=not inactive, fallback=Fallback("refuse") if style is Style.REFUSE else Fallback()
    )


def _parse(given: dict[str, object]) -> list[ForgetTopic]:
    if "name" not in given:
        raise InvalidInput("give the topic a --name, or import topics with --file", param="name")
    try:
        return [TopicBody.model_validate(given).to_topic()]
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in field_path(first["loc"]))
        raise InvalidInput(f"{field}: {explain(first)}" if field else explain(first), param=field) from failure


def _fallback(style: Style, text: str | None) -> object:
    if style is Style.CUSTOM and text is None:
        raise InvalidInput("--fallback custom needs --fallback-text", param="fallback")
    if style is not Style.CUSTOM and text is not None:
        raise InvalidInput("--fallback-text goes with --fallback custom", param="fallback")
    if style is Style.UNAWARE:
        return None  # the default
    return {"custom": text} if style is Style.CUSTOM else style.value


def _state(topic: ForgetTopic) -> str:
    return _STATES[topic.mode]


def _table(topics: tuple[ForgetTopic, ...]) -> Table:
    table = Table(
        Column("id", no_wrap=True, overflow="ignore"),
        "name",
        "state",
        "aliases",
        "facts",
        "protected",
        "fallback",
        "in metrics",
        box=SIMPLE,
    )
    for record in topics:
        topic = record.topic
        if isinstance(topic, PrivateTopic):
            table.add_row(
                topic.id, "(private)", _state(record), "", "", "", record.fallback.style, record.metrics_id
            )
            continue
        counts = (len(topic.aliases), len(topic.facts), len(topic.protected_texts))
        # Text, since a name may hold what rich takes for markup.
        told = (*map(str, counts), record.fallback.style, record.metrics_id)
        table.add_row(topic.id, Text(topic.name), _state(record), *told)
    return table
