"""A topic as people write it, in YAML or JSON, checked field by field. Knows no file and no HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

from anyascii import anyascii
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from gateway.store.records import Fallback, FallbackStyle, ForgetTopic, Mode
from verifiers.private.topic import PrivateTopic
from verifiers.protocol import Topic

__all__ = [
    "CustomFallback",
    "FallbackBody",
    "PrivateTopicBody",
    "TopicBody",
    "explain",
    "field_path",
    "slug",
    "topic_body",
]

_ID_LENGTH = 64


def slug(name: str) -> str:
    """Derive an id from a name: ``Zoë Ångström`` gives ``zoe-angstrom``. May be empty."""
    words = re.findall(r"[a-z0-9]+", anyascii(name).lower())
    return "-".join(words)[:_ID_LENGTH].strip("-")


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text cannot hold the character NUL")  # PostgreSQL could not store it
    return text


_Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_storable)]
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_storable)]
_Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=_ID_LENGTH)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class CustomFallback(_Wire):
    """The operator's own words in place of an answer."""

    custom: _Words


def _fallback_form(value: object) -> str:
    return "text" if isinstance(value, Mapping | CustomFallback) else "style"


FallbackBody: TypeAlias = Annotated[
    Annotated[Literal["unaware", "refuse"], Tag("style")] | Annotated[CustomFallback, Tag("text")],
    Discriminator(_fallback_form),
]


class TopicBody(_Wire):
    """One topic. Only the name is required.

    What is left out falls to the safe side: a topic that somebody took the trouble to write down is active
    unless it says ``active: false``. Texts are stripped of surrounding white space.
    """

    id: _Id | None = Field(
        default=None,
        description="Lower-case letters, digits, '.', '_' and '-'; derived from the name if left out.",
    )
    name: _Words = Field(description="What the model must seem never to have known.")
    aliases: list[_Words] = Field(default=[], description="Other names by which it is known.")
    description: _Text = Field(default="", description="What it is, for verifiers that read.")
    facts: list[_Words] = Field(default=[], description="Sentences that give it away without its name.")
    protected_texts: list[_Words] = Field(default=[], description="Passages that must not be reproduced.")
    active: bool = Field(default=True, description="Whether it is being forgotten.")
    mode: Mode | None = Field(
        default=None,
        description='"off", "monitor" (only counted) or "enforce"; says the same as `active`, and more.',
    )
    fallback: FallbackBody = Field(
        default="unaware", description='What clients read instead: "unaware", "refuse" or {"custom": TEXT}.'
    )

    @model_validator(mode="after")
    def _has_an_id(self) -> Self:
        if not (self.id or slug(self.name)):
            raise ValueError("no id can be derived from this name; give one")
        return self

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        if self.mode is not None and "active" in self.model_fields_set and self.active != (self.mode == "enforce"):
            raise ValueError("`active` and `mode` contradict each other; give one of them")
        return self

    def to_topic(self, topic_id: str | None = None) -> ForgetTopic:
        """Return the topic as the store keeps it; ``topic_id`` is its id where the body has none."""
        topic = Topic(
            id=self.id or topic_id or slug(self.name),
            name=self.name,
            aliases=tuple(self.aliases),
            description=self.description,
            facts=tuple(self.facts),
            protected_texts=tuple(self.protected_texts),
        )
        active = self.active if self.mode is None else self.mode == "enforce"
        return ForgetTopic(topic, active, _fallback(self.fallback), monitored=self.mode == "monitor")


class PrivateTopicBody(_Wire):
    """All that is told of a private topic. None is made of this: see `lethe topics add --private`."""

    id: _Id
    private: Literal[True] = True
    active: bool = True
    mode: Mode = "enforce"
    fallback: FallbackStyle = "unaware"


def topic_body(record: ForgetTopic) -> TopicBody | PrivateTopicBody:
    """Write a stored topic down, as it stands: nothing is checked again."""
    topic, fallback = record.topic, record.fallback
    if isinstance(topic, PrivateTopic):
        return PrivateTopicBody.model_construct(
            id=topic.id, active=record.active, mode=record.mode, fallback=fallback.style
        )
    return TopicBody.model_construct(
        id=topic.id,
        name=topic.name,
        aliases=list(topic.aliases),
        description=topic.description,
        facts=list(topic.facts),
        protected_texts=list(topic.protected_texts),
        active=record.active,
        mode=record.mode,
        fallback=CustomFallback.model_construct(custom=fallback.text)
        if fallback.style == "custom"
        else fallback.style,
    )


def _fallback(body: Literal["unaware", "refuse"] | CustomFallback) -> Fallback:
    return Fallback("custom", body.custom) if isinstance(body, CustomFallback) else Fallback(body)


def field_path(loc: Sequence[str | int]) -> tuple[str | int, ...]:
    """Take the union's branch, which nobody wrote, out of ``("fallback", "text", "custom")``."""
    return tuple(step for before, step in zip(("", *loc), loc, strict=False) if before != "fallback")


def explain(error: Mapping[str, Any]) -> str:
    """Say what is wrong in one of pydantic's errors, without quoting the value."""
    match error["type"]:
        case "extra_forbidden":
            known = CustomFallback if "fallback" in error["loc"] else TopicBody
            return f"unknown field; the known ones are {', '.join(known.model_fields)}"
        case "string_type":
            return "must be a text"
        case "string_pattern_mismatch":
            return "may hold only lower-case letters, digits, '.', '_' and '-'; the first is a letter or digit"
        case "string_too_short":
            return "must not be empty"
        case "value_error":
            return str(error["ctx"]["error"])
        case "model_type" | "model_attributes_type":
            return "must be a mapping of fields to values"
        case "missing":
            return "is required"
        case _:
            return str(error["msg"])
