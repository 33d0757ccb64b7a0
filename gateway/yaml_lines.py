"""YAML with its lines, so that an error can say where it stands. Knows neither topics nor settings."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.errors import InvalidInput

__all__ = ["compose", "entry", "follow", "line_of", "read_text", "wrong"]


def read_text(path: Path) -> str:
    """Read a text file. Raises ``InvalidInput`` naming it."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text (byte {error.start})", param="file") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", param="file") from error


def compose(text: str, source: str) -> tuple[yaml.Node | None, Any]:
    """Return the tree, which knows the lines, and the plain data.

    Raises ``InvalidInput`` for what is not YAML, and for a key that a mapping has already.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        for key in _keys_twice(root):
            raise wrong(source, key, key.value, "is given twice")
        return root, None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidInput(f"{source}{where}: not YAML: {problem or 'a forbidden character'}") from error
    except (ValueError, RecursionError) as error:  # a date like 2024-99-99; nesting without end
        raise InvalidInput(f"{source}: holds a value that YAML cannot read; put it in quotes") from error


def follow(node: yaml.Node, loc: Sequence[str | int]) -> tuple[yaml.Node, str]:
    """Walk down an error's location as far as the tree goes; return the last node and the field's name."""
    field = ""
    for step in loc:
        node = entry(node, step) or node
        field += f"[{step}]" if isinstance(step, int) else f".{step}" if field else step
    return node, field


def entry(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    """Find what lies under a key or at a place of a list; None where there is no such thing."""
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    return None


def line_of(node: yaml.Node | None) -> int:
    """Count lines from 1, as editors do."""
    return 1 if node is None else node.start_mark.line + 1


def wrong(source: str, node: yaml.Node | None, field: str, what: str) -> InvalidInput:
    """Make the error that names file, line and field."""
    named = f"{field}: " if field else ""
    return InvalidInput(f"{source}, line {line_of(node)}: {named}{what}", param=field or None)


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
