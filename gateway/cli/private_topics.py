"""`lethe topics new-key|hash` and `add --private`: topics that only a key can recognise. Opens no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.failures import refusing_bad_input, reporting_failures
from gateway.cli.owned import write_owned
from gateway.errors import InvalidInput
from gateway.settings_reading import read_settings
from gateway.store.records import Fallback, ForgetTopic
from gateway.topics_file import load_private_topics, load_topics
from verifiers.attribution import mentions_of
from verifiers.private.file import private_topics_as_json
from verifiers.private.key import PrivateKey, key_from_file, new_key
from verifiers.private.topic import PrivateTopic, hash_topic
from verifiers.protocol import Topic

__all__ = ["hash_command", "new_key_command", "private_records"]


@reporting_failures()
def new_key_command(
    out: Annotated[Path, typer.Option(help="File to write, which must not exist.")],
) -> None:
    """Make a key for private topics, in a file that only its owner may read. Keep it apart from the database."""
    if out.exists():
        raise InvalidInput(f"{out} is there already: what was hashed with a lost key must be hashed again")
    write_owned(out, new_key() + "\n")
    typer.echo(f"wrote {out} (check value {_key(out).check})")


@reporting_failures()
def hash_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="A topics file, in plain text.")],
    out: Annotated[Path, typer.Option(help="Where the hashes go, for `add --private`.")],
    key_file: Annotated[
        Path | None, typer.Option(help="The key. Default: the setting LETHE_PRIVATE_KEY_FILE.")
    ] = None,
) -> None:
    """Hash topics where they may be read, so that a gateway need not hold them. Their ids stay as they are."""
    key = _key(_key_file(key_file))
    records = load_topics(file)
    plain = [record.topic for record in records if isinstance(record.topic, Topic)]
    _refuse_telling_ids(plain)
    with refusing_bad_input():
        hashed = [hash_topic(topic, key) for topic in plain]
        write_owned(out, private_topics_as_json(hashed))
    typer.echo(f"wrote {len(hashed)} topics to {out} (check value {key.check})")
    if any(replace(record, topic=hashed[0]) != ForgetTopic(hashed[0]) for record in records):
        typer.echo("Note: whether a topic is active, and its fallback, are said again when it is added.")
    if any(topic.description for topic in plain):
        typer.echo("Note: descriptions are not hashed, and so not kept.")


def private_records(file: Path, *, active: bool, fallback: Fallback) -> list[ForgetTopic]:
    """Read hashed topics. Raises ``InvalidInput``, also where the configured key does not open them.

    Where no key is configured they are taken as they are: the gateway may run elsewhere.
    """
    topics = load_private_topics(file)
    key_file = read_settings().private_key_file
    if key_file is not None:
        _require_opened(_key(key_file), topics, file)
    return [ForgetTopic(topic, active, fallback) for topic in topics]


def _require_opened(key: PrivateKey, topics: Sequence[PrivateTopic], file: Path) -> None:
    with refusing_bad_input():
        for topic in topics:
            key.must_open(topic.check, f"{file}, topic {topic.id!r}")


def _key(path: Path) -> PrivateKey:
    with refusing_bad_input():
        return key_from_file(path)


def _key_file(given: Path | None) -> Path:
    path = given or read_settings().private_key_file
    if path is None:
        raise InvalidInput("name the key with --key-file, or set LETHE_PRIVATE_KEY_FILE; `new-key` makes one")
    return path


def _refuse_telling_ids(topics: Sequence[Topic]) -> None:
    """An id stays plain, and one that nobody gave is made of the name."""
    names = mentions_of(tuple(topics))
    for number, topic in enumerate(topics, start=1):
        if names.topics_met(topic.id) or names.topics_met(topic.id.replace("-", " ").title()):
            raise InvalidInput(
                f"topic {number}: the id {topic.id!r} names what is to be private; give it one that tells nothing"
            )
