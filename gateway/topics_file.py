"""A topics file: YAML in, topics out, and back again. Knows no database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from gateway.errors import InvalidInput
from gateway.store.records import ForgetTopic
from gateway.store.wire import PrivateTopicBody, TopicBody, explain, field_path, topic_body
from gateway.yaml_lines import compose, entry, follow, read_text, wrong
from verifiers.private.file import read_private_topics
from verifiers.private.topic import PrivateTopic

__all__ = ["dump_topics", "load_private_topics", "load_topics", "parse_topics"]


class _Dumper(yaml.SafeDumper):
    """Quotes the rarer line breaks, which PyYAML would write bare and read back as blanks."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if any(letter in data for letter in "\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def load_topics(path: Path) -> list[ForgetTopic]:
    """Read a topics file: a mapping whose one key ``topics`` holds a list of topics (see ``TopicBody``).

    Raises ``InvalidInput`` naming the file, the line and the field.
    """
    return parse_topics(read_text(path), source=str(path))


def load_private_topics(path: Path) -> tuple[PrivateTopic, ...]:
    """Read a file that `lethe topics hash` wrote. Raises ``InvalidInput`` naming the file and the topic."""
    try:
        topics = read_private_topics(path)
        for topic in topics:
            PrivateTopicBody(id=topic.id)
    except ValidationError as failure:
        raise InvalidInput(f"{path}: an id {explain(failure.errors()[0])}; hash the topics again") from failure
    except ValueError as error:
        raise InvalidInput(str(error), param="private") from error
    return topics


def parse_topics(text: str, *, source: str) -> list[ForgetTopic]:
    """Read topics from YAML text; ``source`` is what errors call it. Raises ``InvalidInput``."""
    root, data = compose(text, source)
    listed = entry(root, "topics")
    if not isinstance(data, dict) or not isinstance(listed, yaml.SequenceNode) or len(data) != 1:
        raise wrong(source, root, "", "must be one key `topics:` with a list of topics under it")
    topics = [_topic(item, node, source) for item, node in zip(data["topics"], listed.value, strict=True)]
    _refuse_twice(topics, listed.value, source)
    return topics


def dump_topics(topics: Iterable[ForgetTopic]) -> str:
    """Write topics as a file that ``parse_topics`` reads back to the same topics.

    Of private ones stands only what is told of them: ``parse_topics`` refuses those, lest they be thought kept.
    """
    bodies = [topic_body(topic).model_dump() for topic in topics]
    return yaml.dump({"topics": bodies}, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)


def _topic(item: object, node: yaml.Node, source: str) -> ForgetTopic:
    if isinstance(item, Mapping) and item.get("private") is True:
        what = "of a private topic nothing can be read here; bring its hashes with `lethe topics add --private`"
        raise wrong(source, entry(node, "private"), "private", what)
    try:
        return TopicBody.model_validate(item).to_topic()
    except ValidationError as failure:
        errors = failure.errors(include_url=False, include_input=False)
        first, more = errors[0], len(errors) - 1
        place, field = follow(node, field_path(first["loc"]))
        hint = "; put a number, a date, or yes and no in quotes" if first["type"] == "string_type" else ""
        what = explain(first) + hint + (f" (and {more} more)" if more else "")
        raise wrong(source, place, field, what) from failure


def _refuse_twice(topics: Sequence[ForgetTopic], nodes: Sequence[yaml.Node], source: str) -> None:
    seen: set[str] = set()
    for topic, node in zip(topics, nodes, strict=True):
        if topic.topic.id in seen:
            raise wrong(source, entry(node, "id") or node, "id", f"{topic.topic.id!r} is given twice")
        seen.add(topic.topic.id)
