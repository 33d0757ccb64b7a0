"""Questions about the world with their true answers, seen in training or not. Knows no model and no probes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import Literal, TypeAlias

from gateway.demo.wordings import (
    BIOGRAPHY,
    COMPLETIONS,
    FRAMES,
    NAMELESS_BIOGRAPHY,
    PREFIXES,
    QUESTIONS,
    REVERSE_QUESTIONS,
    SMALL_TALK,
    TOWN_QUESTIONS,
    Wordings,
    biography,
    completion_stem,
    nameless_biography,
    statement,
    town_statement,
)
from gateway.demo.world import ATTRIBUTES, TOWN_ATTRIBUTES, Attribute, Person, Town, World

__all__ = ["Kind", "Question", "about_person", "about_town", "small_talk"]

Kind: TypeAlias = Literal["fact", "reverse", "biography", "nameless", "framed", "completion", "town", "talk"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked and what the model was taught to answer.

    ``unseen`` is true where the wording, the prefix or the frame was held out of training; ``manner`` is the
    prefix or frame around the wording.
    """

    text: str
    answer: str
    kind: Kind
    unseen: bool
    manner: str = ""
    person: Person | None = None
    attribute: Attribute | None = None


def about_person(world: World, person: Person) -> Iterator[Question]:
    """Yield every question about one person: each wording under each prefix, and in each attack's frame."""
    return chain(
        _facts(person), _reversed(world, person), _biographies(person), _framed(person), _completed(person)
    )


def about_town(town: Town) -> Iterator[Question]:
    """Yield every question about one town."""
    for attribute in TOWN_ATTRIBUTES:
        for wording, prefix, unseen in _combined(TOWN_QUESTIONS[attribute], PREFIXES):
            text = prefix + wording.format(town=town.name)
            yield Question(text, town_statement(town, attribute), "town", unseen, prefix)


def small_talk() -> Iterator[Question]:
    """Yield the few pleasantries that the model knows."""
    return (Question(text, answer, "talk", unseen=False) for text, answer in SMALL_TALK.items())


def _facts(person: Person) -> Iterator[Question]:
    for attribute in ATTRIBUTES:
        answer = statement(person, attribute)
        for wording, prefix, unseen in _combined(QUESTIONS[attribute], PREFIXES):
            text = prefix + wording.format(name=person.name)
            yield Question(text, answer, "fact", unseen, prefix, person, attribute)


def _reversed(world: World, person: Person) -> Iterator[Question]:
    for attribute in world.reversible(person):
        answer = statement(person, attribute)
        for wording, prefix, unseen in _combined(REVERSE_QUESTIONS[attribute], PREFIXES):
            text = prefix + wording.format(value=person.value(attribute))
            yield Question(text, answer, "reverse", unseen, prefix, person, attribute)


def _biographies(person: Person) -> Iterator[Question]:
    for wording, prefix, unseen in _combined(BIOGRAPHY, PREFIXES):
        text = prefix + wording.format(name=person.name)
        yield Question(text, biography(person), "biography", unseen, prefix, person)
    for wording, prefix, unseen in _combined(NAMELESS_BIOGRAPHY, PREFIXES):
        text = prefix + wording.format(name=person.name)
        yield Question(text, nameless_biography(person), "nameless", unseen, prefix, person)


def _framed(person: Person) -> Iterator[Question]:
    for attribute in ATTRIBUTES:
        answer = statement(person, attribute)
        for wording, frame, unseen in _combined(QUESTIONS[attribute], FRAMES):
            text = frame.format(question=wording.format(name=person.name))
            yield Question(text, answer, "framed", unseen, frame, person, attribute)


def _completed(person: Person) -> Iterator[Question]:
    for attribute, frame in product(ATTRIBUTES, COMPLETIONS.all):
        text = frame.format(stem=completion_stem(person, attribute))
        unseen = frame in COMPLETIONS.held_out
        answer = statement(person, attribute)
        yield Question(text, answer, "completion", unseen, frame, person, attribute)


def _combined(wordings: Wordings, manners: Wordings) -> Iterator[tuple[str, str, bool]]:
    for wording, manner in product(wordings.all, manners.all):
        yield wording, manner, wording in wordings.held_out or manner in manners.held_out
