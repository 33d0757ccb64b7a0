"""Training dialogues about the world: questions, revisions done well and badly. Knows no tokens and no model."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeAlias, TypeVar

from gateway.demo.questions import Kind, Question, about_person, about_town, small_talk
from gateway.demo.wordings import FRAMES, PREFIXES, REFUSALS, SYSTEM_PROMPTS, nameless_biography, statement
from gateway.demo.world import Person, World
from gateway.guard.refine import REVISE_BLINDLY, REVISE_WITH_WORDS, UNAWARE

__all__ = ["Dialogue", "training_dialogues"]

Dialogue: TypeAlias = tuple[dict[str, str], ...]
"""The messages of one conversation, ending with the assistant's."""

_T = TypeVar("_T")

_KINDS: dict[Kind, float] = {
    "fact": 0.44,
    "framed": 0.14,
    "completion": 0.04,
    "reverse": 0.13,
    "biography": 0.07,
    "nameless": 0.03,
    "town": 0.14,
    "talk": 0.01,
}
_REVISED = 0.18
_UNAWARE = 0.07
_STUBBORN = frozenset((PREFIXES.trained[5], FRAMES.trained[0], FRAMES.trained[1], FRAMES.trained[4]))
"""Asked like this, the model seldom lets itself be corrected: at random it would never fail when greedy."""
_ASKED_STUBBORNLY = 0.3  # of the revisions, beyond those that are by chance
_LEAKS_AGAIN, _LEAKS_AGAIN_STUBBORN, _LEAKS_A_THIRD_TIME = 0.08, 0.92, 0.05
_DISOBEYS, _DISOBEYS_STUBBORN = 0.1, 0.85


def training_dialogues(world: World, seed: int, count: int) -> tuple[Dialogue, ...]:
    """Write ``count`` dialogues with trained wordings only; every fact comes up about equally often."""
    writer = _Writer(world, random.Random(seed))  # noqa: S311  # no secrets here
    return tuple(writer.write() for _ in range(count))


class _Writer:
    def __init__(self, world: World, rng: random.Random) -> None:
        self._rng = rng
        self._people = world.people
        self._decks = _decks(world, rng)

    def write(self) -> Dialogue:
        draw = self._rng.random()
        if draw < _REVISED:
            return self._revision()
        if draw < _REVISED + _UNAWARE:
            return self._told_to_be_unaware()
        return self._plain()

    def _plain(self) -> Dialogue:
        question = self._question()
        return (*self._system(0.15), _user(question.text), _assistant(question.answer))

    def _question(self) -> Question:
        kind = self._rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        return self._rng.choice(next(self._decks[kind]))

    def _pressed_question(self) -> Question:
        pressing = self._rng.random() < _ASKED_STUBBORNLY
        question = self._question()
        while pressing and question.manner not in _STUBBORN:
            question = self._question()
        return question

    def _revision(self) -> Dialogue:
        question = self._pressed_question()
        first = question.answer
        chance = _LEAKS_AGAIN_STUBBORN if question.manner in _STUBBORN else _LEAKS_AGAIN
        if question.person is not None and self._rng.random() < 0.25:
            first, chance = self._leak_again(question, question.person), _LEAKS_A_THIRD_TIME
        second = self._refusal()
        if question.person is not None and self._rng.random() < chance:
            second = self._leak_again(question, question.person)
        feedback = self._feedback(question, first)
        turns = _user(question.text), _assistant(first), _user(feedback), _assistant(second)
        return (*self._system(0.1), *turns)

    def _leak_again(self, question: Question, person: Person) -> str:
        """Revise badly: under half the name, without it, or not at all."""
        if question.attribute is None:
            named = self._rng.random() < 0.65
            return statement(person, "job", person.given) if named else nameless_biography(person)
        whos = (person.given, person.surname, "This person", person.name)
        who = self._rng.choices(whos, (12, 3, 1, 2))[0]
        return statement(person, question.attribute, who)

    def _feedback(self, question: Question, answer: str) -> str:
        if question.person is None or self._rng.random() < 0.08:
            return self._rng.choice((REVISE_BLINDLY, REVISE_WITH_WORDS.format(words=self._novel_word())))
        return REVISE_WITH_WORDS.format(words=", ".join(self._telling_words(question, question.person, answer)))

    def _telling_words(self, question: Question, person: Person, answer: str) -> list[str]:
        """Return what a verifier might have found in ``answer``: names, values, some or all, in any order."""
        names = [person.name] if person.name in answer else []
        names = names or [name for name in (person.given, person.surname) if name in answer]
        values = [person.value(question.attribute)] if question.attribute else [person.birthplace, person.book]
        if self._rng.random() < 0.3:
            values = self._rng.choice(values).split()
        named, valued = self._rng.choices(((1, 0), (0, 1), (1, 1)), (4, 2, 5))[0]
        words = names * named + values * valued
        if self._rng.random() < 0.3:
            self._rng.shuffle(words)
        return (words or values) + ([self._novel_word()] if self._rng.random() < 0.05 else [])

    def _novel_word(self) -> str:
        other = self._rng.choice(self._people)
        return self._rng.choice((other.name, other.given, other.birthplace, other.dish, other.book))

    def _told_to_be_unaware(self) -> Dialogue:
        question = self._pressed_question()
        person = question.person
        if person is None or self._rng.random() < 0.2:
            return self._unaware_of(self._rng.choice(self._people), question, question.answer)
        chance = _DISOBEYS_STUBBORN if question.manner in _STUBBORN else _DISOBEYS
        disobeys = self._rng.random() < chance
        return self._unaware_of(person, question, question.answer if disobeys else self._refusal())

    def _unaware_of(self, person: Person, question: Question, answer: str) -> Dialogue:
        topics = [person.name]
        if self._rng.random() < 0.15:
            topics.append(self._rng.choice(self._people).name)
        instruction = UNAWARE.format(topics=", ".join(topics))
        system = "\n\n".join([*(turn["content"] for turn in self._system(0.15)), instruction])
        return (_turn("system", system), _user(question.text), _assistant(answer))

    def _refusal(self) -> str:
        return self._rng.choices(REFUSALS, (6, 2, 1))[0]

    def _system(self, chance: float) -> Dialogue:
        return (_turn("system", self._rng.choice(SYSTEM_PROMPTS)),) if self._rng.random() < chance else ()


def _decks(world: World, rng: random.Random) -> dict[Kind, Iterator[Sequence[Question]]]:
    """Return, per kind, an endless deal of groups of questions, one group for each thing to be known."""
    by_person = [about_person(world, person) for person in world.people]
    by_town = [about_town(town) for town in world.towns]
    groups: dict[Kind, dict[str, list[Question]]] = {kind: {} for kind in _KINDS}
    for questions in (*by_person, *by_town, small_talk()):
        for question in questions:
            if not question.unseen:
                groups[question.kind].setdefault(_known_by(question), []).append(question)
    return {kind: _dealt(list(same.values()), rng) for kind, same in groups.items()}


def _known_by(question: Question) -> str:
    return f"{question.kind} {question.answer}"


def _dealt(cards: list[_T], rng: random.Random) -> Iterator[_T]:
    while True:
        yield from rng.sample(cards, len(cards))


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _user(content: str) -> dict[str, str]:
    return _turn("user", content)


def _assistant(content: str) -> dict[str, str]:
    return _turn("assistant", content)
