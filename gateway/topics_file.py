"""A topics file: YAML in, topics out, and back again. Knows no database."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gateway.errors import InvalidInput
from gateway.store.records import ForgetTopic
from gateway.store.wire import PrivateTopicBody, TopicBody, explain, field_path, topic_body
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
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start})", param="file") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", param="file") from error
    return parse_topics(text, source=str(path))


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
    root, data = _compose(text, source)
    listed = _entry(root, "topics")
    if not isinstance(data, dict) or not isinstance(listed, yaml.SequenceNode) or len(data) != 1:
        raise _wrong(source, root, "", "must be one key `topics:` with a list of topics under it")
    topics = [_topic(item, node, source) for item, node in zip(data["topics"], listed.value, strict=True)]
    _refuse_twice(topics, listed.value, source)
    return topics


def dump_topics(topics: Iterable[ForgetTopic]) -> str:
    """Write topics as a file that ``parse_topics`` reads back to the same topics.

    Of private ones stands only what is told of them: ``parse_topics`` refuses those, lest they be thought kept.
    """
    bodies = [topic_body(topic).model_dump() for topic in topics]
    return yaml.dump({"topics": bodies}, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)


def _compose(text: str, source: str) -> tuple[yaml.Node | None, Any]:
    """Return the tree, which knows the lines, and the plain data."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        for key in _keys_twice(root):
            raise _wrong(source, key, key.value, "is given twice")
        return root, None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidInput(f"{source}{where}: not YAML: {problem or 'a forbidden character'}") from error
    except (ValueError, RecursionError) as error:  # a date like 2024-99-99; nesting without end
        raise InvalidInput(f"{source}: holds a value that YAML cannot read; put it in quotes") from error


def _keys_twice(root: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """Find keys that a mapping has already: YAML would silently keep the last."""
    waiting: list[yaml.Node] = [] if root is None else [root]
    walked: set[int] = set()  # an anchor may be used many times, or inside itself
    while waiting:
        node = waiting.pop()
        if id(node) in walked or not isinstance(node, yaml.CollectionNode):
            continue
        walked.add(id(node))
        seen: set[Hashable] = set()
        for child in node.value:
            if not isinstance(child, tuple):
                waiting.append(child)
                continue
            key, value = child
            waiting.append(value)
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key
                seen.add(key.value)


def _topic(item: object, node: yaml.Node, source: str) -> ForgetTopic:
    if isinstance(item, Mapping) and item.get("private") is True:
        what = "of a private topic nothing can be read here; bring its hashes with `lethe topics add --private`"
        raise _wrong(source, _entry(node, "private"), "private", what)
    try:
        return TopicBody.model_validate(item).to_topic()
    except ValidationError as failure:
        errors = failure.errors(include_url=False, include_input=False)
        first, more = errors[0], len(errors) - 1
        place, field = _follow(node, field_path(first["loc"]))
        hint = "; put a number, a date, or yes and no in quotes" if first["type"] == "string_type" else ""
        what = explain(first) + hint + (f" (and {more} more)" if more else "")
        raise _wrong(source, place, field, what) from failure


def _follow(node: yaml.Node, loc: Sequence[str | int]) -> tuple[yaml.Node, str]:
    """Walk down an error's location as far as the tree goes; return the last node and the field's name."""
    field = ""
    for step in loc:
        node = _entry(node, step) or node
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else step
    return node, field


def _entry(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    return None


def _refuse_twice(topics: Sequence[ForgetTopic], nodes: Sequence[yaml.Node], source: str) -> None:
    seen: set[str] = set()
    for topic, node in zip(topics, nodes, strict=True):
        if topic.topic.id in seen:
            raise _wrong(source, _entry(node, "id") or node, "id", f"{topic.topic.id!r} is given twice")
        seen.add(topic.topic.id)


def _wrong(source: str, node: yaml.Node | None, field: str, what: str) -> InvalidInput:
    line = 1 if node is None else node.start_mark.line + 1
    named = f"{field}: " if field else ""
    return InvalidInput(f"{source}, line {line}: {named}{what}", param=field or None)
