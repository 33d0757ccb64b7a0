"""A file of private topics: JSON, with the check value of its key. Holds no plain text but the ids."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from verifiers.private.topic import PrivateFact, PrivateTopic, Weighed

__all__ = ["private_topic_from", "private_topics_as_json", "read_private_topics", "write_private_topics"]

_FORMAT = "lethe-private-topics-1"
_DIGITS = frozenset("0123456789abcdef")
_DIGEST_DIGITS = 16


def private_topics_as_json(topics: Sequence[PrivateTopic]) -> str:
    """Write topics as text. Raises ``ValueError`` where they were hashed with more than one key."""
    if len({topic.check for topic in topics}) > 1:
        raise ValueError("private topics of one file are hashed with one key")
    return json.dumps({"format": _FORMAT, "topics": [asdict(topic) for topic in topics]}, indent=1) + "\n"


def write_private_topics(topics: Sequence[PrivateTopic], path: Path) -> None:
    """Write topics to a file."""
    path.write_text(private_topics_as_json(topics), encoding="utf-8")


def read_private_topics(path: Path) -> tuple[PrivateTopic, ...]:
    """Read a file. Raises ``ValueError`` naming the file and the topic where it is none."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path} is no file of private topics: not JSON") from error
    if not isinstance(body, dict) or body.get("format") != _FORMAT or not isinstance(body.get("topics"), list):
        raise ValueError(f"{path} is no file of private topics: its format is not {_FORMAT!r}")
    topics = []
    for number, given in enumerate(body["topics"], start=1):
        try:
            topics.append(private_topic_from(given))
        except ValueError as error:
            raise ValueError(f"{path}, topic {number}: {error}; hash it again") from error
    if len({topic.id for topic in topics}) < len(topics) or len({topic.check for topic in topics}) > 1:
        raise ValueError(f"{path}: two topics share an id, or were hashed with different keys")
    return tuple(topics)


def private_topic_from(given: object) -> PrivateTopic:
    """Read what ``dataclasses.asdict`` made of a topic, out of JSON. Raises ``ValueError`` where it is none."""
    try:
        if not isinstance(given, Mapping):
            raise TypeError("it is no mapping")
        return _topic(given)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"not a private topic ({error})") from error


def _topic(given: Mapping[str, Any]) -> PrivateTopic:
    return PrivateTopic(
        id=str(given["id"]),
        check=_digest(given["check"]),
        words=int(given["words"]),
        names=_weighed(given["names"]),
        short=tuple(map(_digest, given["short"])),
        parts=_weighed(given["parts"]),
        facts=tuple(PrivateFact(_weighed(fact["rare"]), _weighed(fact["plain"])) for fact in given["facts"]),
        texts=tuple(tuple(map(_digest, text)) for text in given["texts"]),
        run_lengths=tuple(int(length) for length in given["run_lengths"]),
    )


def _weighed(given: Sequence[Sequence[Any]]) -> Weighed:
    return tuple((_digest(digest), float(weight)) for digest, weight in given)


def _digest(given: object) -> str:
    if not isinstance(given, str) or len(given) != _DIGEST_DIGITS or not _DIGITS.issuperset(given):
        raise ValueError(f"a hash has {_DIGEST_DIGITS} hexadecimal digits")
    return given
