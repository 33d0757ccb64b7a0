"""Dialogues to forget or to keep, from JSON Lines. Knows no tokens and no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unlearners.fields import field as field_of
from unlearners.fields import list_of, object_in, optional

__all__ = ["Dialogue", "Message", "digest_of", "read_dialogues"]

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Message:
    """What one side said."""

    role: str
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"a message's role is one of {', '.join(ROLES)}, not {self.role!r}")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation whose last message is the assistant's: the answer to forget or to keep.

    Two are equal when their messages are: the ``id`` is only a name.
    """

    messages: tuple[Message, ...]
    id: str = field(compare=False)

    def __post_init__(self) -> None:
        if len(self.messages) < 2 or self.messages[-1].role != "assistant":
            raise ValueError("a dialogue has at least two messages and ends with the assistant's")
        if not self.answer.strip():
            raise ValueError("the assistant's last message is empty")

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All that comes before the answer."""
        return self.messages[:-1]

    @property
    def answer(self) -> str:
        """What the assistant said last."""
        return self.messages[-1].content


def read_dialogues(path: Path) -> tuple[Dialogue, ...]:
    """Read lines of ``{"prompt", "answer"}`` or ``{"messages": [{"role", "content"}, …]}``, perhaps with ``id``.

    Where none is given, the id is the dialogue's position, counted from 0. Empty lines are passed over; a file
    without dialogues gives none. Raises ``ValueError`` that names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    found: dict[str, Dialogue] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            dialogue = _dialogue(object_in(line), str(len(found)))
            if dialogue.id in found:
                raise ValueError(f"the id {dialogue.id!r} is used before; every dialogue needs its own")
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        found[dialogue.id] = dialogue
    return tuple(found.values())


def digest_of(dialogues: Sequence[Dialogue]) -> str:
    """Return a digest of the messages (in this order of dialogues), not of the ids."""
    said = [[[message.role, message.content] for message in dialogue.messages] for dialogue in dialogues]
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()


def _dialogue(source: Mapping[str, object], otherwise: str) -> Dialogue:
    name = optional(source, "id", str)
    return Dialogue(_messages(source), otherwise if name is None else name)


def _messages(source: Mapping[str, object]) -> tuple[Message, ...]:
    if "messages" not in source:
        asked, said = field_of(source, "prompt", str), field_of(source, "answer", str)
        return Message("user", asked), Message("assistant", said)
    if "prompt" in source or "answer" in source:
        raise ValueError("give either 'messages' or 'prompt' and 'answer', not both")
    listed: list[dict[str, object]] = list_of(source, "messages", dict)
    return tuple(Message(field_of(one, "role", str), field_of(one, "content", str)) for one in listed)
