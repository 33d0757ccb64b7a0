"""`lethe keys topics|exempt|fallback`: what one key has beyond or short of the others."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.failures import refusing_bad_input, reporting_failures
from gateway.cli.stores import Database, with_store
from gateway.errors import InvalidInput
from gateway.store.records import Fallback, FallbackStyle

__all__ = ["exempt_command", "fallback_command", "topics_command"]

_Name = Annotated[str, typer.Argument(metavar="KEY", help="What the key is called.")]
_Topic = Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's id.")]


@reporting_failures()
def topics_command(
    name: _Name,
    add: Annotated[str | None, typer.Option(help="A topic to forget for this key as well.")] = None,
    drop: Annotated[str | None, typer.Option(help="One that it no longer has beyond the others.")] = None,
    database: Database = None,
) -> None:
    """Let a key have a topic more, or no longer. Whether the topic is active for everybody does not matter."""
    if (add is None) == (drop is None):
        raise InvalidInput("name one topic, with --add or with --drop")
    if add is not None:
        revision = with_store(database, lambda store: store.add_key_topic(name, add))
        typer.echo(f"{add} is forgotten for {name}\nrevision {revision}")
    if drop is not None:
        revision = with_store(database, lambda store: store.drop_key_topic(name, drop))
        typer.echo(f"{name} has {drop} as all others have it\nrevision {revision}")


@reporting_failures()
def exempt_command(
    name: _Name,
    topic: _Topic,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log, so name no fact.")] = "",
    end: Annotated[bool, typer.Option("--end", help="End the exemption.")] = False,
    database: Database = None,
) -> None:
    """Exempt a key from a topic: its clients are answered as if the topic were off. Needs a reason."""
    if end == bool(reason):
        raise InvalidInput("say why with --reason, or end the exemption with --end", param="reason")
    if end:
        revision = with_store(database, lambda store: store.drop_key_topic(name, topic))
        typer.echo(f"{name} has {topic} as all others have it\nrevision {revision}")
        return
    revision = with_store(database, lambda store: store.exempt_key(name, topic, reason))
    typer.echo(f"{name} is exempt from {topic}\nrevision {revision}")


@reporting_failures()
def fallback_command(
    name: _Name,
    style: Annotated[str | None, typer.Option(help="unaware or refuse.")] = None,
    text: Annotated[str | None, typer.Option(help="Words of your own.")] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Leave it to the topics again.")] = False,
    database: Database = None,
) -> None:
    """Say what this key's clients read in place of an answer, whatever the topic."""
    if [style is not None, text is not None, lift].count(True) != 1:
        raise InvalidInput("give one of --style, --text and --lift")
    revision = with_store(database, lambda store: store.set_key_fallback(name, _fallback(style, text)))
    typer.echo(f"{name}: fallback {'of the topics' if lift else style or 'custom'}\nrevision {revision}")


def _fallback(style: str | None, text: str | None) -> Fallback | None:
    if text is not None:
        with refusing_bad_input():
            return Fallback("custom", text)
    styles: dict[str, FallbackStyle] = {"unaware": "unaware", "refuse": "refuse"}
    if style is None:
        return None
    if style not in styles:
        raise InvalidInput("--style is unaware or refuse; --text gives words of your own", param="style")
    return Fallback(styles[style])
