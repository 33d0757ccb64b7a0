"""What the store keeps, as plain data. Knows no database and no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from verifiers.protocol import Topic

__all__ = ["Fallback", "FallbackStyle", "ForgetTopic", "PolicyRecord"]

FallbackStyle: TypeAlias = Literal["unaware", "refuse", "custom"]
"""``unaware``: answer as a model that never knew. ``refuse``: decline. ``custom``: the operator's words."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """What a client reads where nothing could be released.

    ``text`` belongs to ``custom`` and to no other style. Raises ``ValueError`` otherwise.
    """

    style: FallbackStyle = "unaware"
    text: str | None = None

    def __post_init__(self) -> None:
        if self.style not in get_args(FallbackStyle):
            raise ValueError(f"a fallback is one of {', '.join(get_args(FallbackStyle))}")
        if self.style == "custom" and not (self.text or "").strip():
            raise ValueError("a custom fallback needs a text")
        if self.style != "custom" and self.text is not None:
            raise ValueError(f"only a custom fallback has a text, not {self.style!r}")


@dataclass(frozen=True, slots=True)
class ForgetTopic:
    """A topic, whether it is being forgotten now, and what is said in its place."""

    topic: Topic
    active: bool = True
    fallback: Fallback = Fallback()


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """Everything that decides what goes out, as it stood at one moment.

    ``revision`` grows by one with every write. ``topics`` are all of them, active or not, in the order of
    their ids. ``certificate`` is the body of the active one, or None.
    """

    revision: int
    topics: tuple[ForgetTopic, ...]
    certificate: Mapping[str, Any] | None

    @property
    def active_topics(self) -> tuple[ForgetTopic, ...]:
        """The topics that are being forgotten now."""
        return tuple(topic for topic in self.topics if topic.active)
