"""What one person's forgetting is done with and judged by: dialogues and probes. Knows no model."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from pathlib import Path

from gateway.demo.probes import Family, Probe, forget_probes
from gateway.demo.questions import Question, about_person, about_town, small_talk
from gateway.demo.world import Person, World, invent_world
from unlearners.language.dialogues import Dialogue, Message

__all__ = ["Material", "choose_people", "material_for", "near", "write_dialogues", "write_units"]

FACTS_DRAWN = 128
RETAINED_PER_PERSON, RETAINED_PER_TOWN = 12, 8
CALIBRATION, MEASURED = 140, 180
KEPT = 240
STRANGERS, OTHER_WORLDS = 24, 4
TAUGHT_DIALOGUES = 16
TAUGHT_FACTS = 2
EXAM_PER_FACT = 4


@dataclass(frozen=True, slots=True)
class Material:
    """All that concerns one person.

    ``forget`` and ``retained`` (by person or town) have trained wordings alone. ``calibration`` and ``measured``
    are parts of one random order of forget probes; ``kept`` has families near, others, towns. ``own`` are the
    person's dialogues and ``strangers`` the same about people whom no model knows, question by question.
    ``taught`` is a small part of ``forget`` over all facts and ``exam`` asks for all of them in held-out wordings;
    ``taught_two`` tells two facts alone, and ``exam_others`` asks for the others.
    """

    world: World
    person: Person
    forget: tuple[Dialogue, ...]
    retained: Mapping[str, tuple[Dialogue, ...]]
    calibration: tuple[Probe, ...]
    measured: tuple[Probe, ...]
    kept: tuple[Probe, ...]
    own: tuple[Dialogue, ...]
    strangers: tuple[tuple[Dialogue, ...], ...]
    taught: tuple[Dialogue, ...]
    exam: tuple[Question, ...]
    taught_two: tuple[Dialogue, ...]
    exam_others: tuple[Question, ...]

    @property
    def retain(self) -> tuple[Dialogue, ...]:
        """All that is kept."""
        return tuple(chain.from_iterable(self.retained.values()))

    @property
    def world_without(self) -> World:
        """The world in which the person never was."""
        return replace(self.world, people=tuple(one for one in self.world.people if one.id != self.person.id))


def choose_people(world: World, seed: int, count: int) -> tuple[Person, ...]:
    """Draw people who share a surname with somebody, so that a neighbour is as near as can be.

    Raises ``ValueError`` where there are not so many.
    """
    shared = [person for person in world.people if len(world.bearers(person.surname)) > 1]
    if not 0 < count <= len(shared):
        raise ValueError(f"between 1 and {len(shared)} people can be forgotten in turn, not {count}")
    return tuple(random.Random(seed).sample(shared, count))


def material_for(world: World, person: Person, seed: int) -> Material:
    """Draw everything for one person. The same arguments, the same material."""
    rng = random.Random(f"{seed} {person.id}")
    probes = forget_probes(world, [person.id], seed, CALIBRATION + MEASURED)
    plain = [question for question in _trained(world, person) if question.kind == "fact" and not question.manner]
    unseen = [question for question in about_person(world, person) if question.kind == "fact" and question.unseen]
    facts = rng.sample(sorted({str(question.attribute) for question in plain}), TAUGHT_FACTS)
    two = [question for question in _trained(world, person) if question.attribute in facts]
    forget = _forget(world, person, rng)
    return Material(
        world=world,
        person=person,
        forget=forget,
        retained=_retained(world, person, rng),
        calibration=probes[:CALIBRATION],
        measured=probes[CALIBRATION:],
        kept=_kept(world, person, rng),
        own=_dialogues(plain),
        strangers=tuple(_same_questions(world, stranger) for stranger in _strangers(world, person, rng)),
        taught=_dialogues(_some_of_each(plain, rng, TAUGHT_DIALOGUES // 8)),
        exam=tuple(_some_of_each(unseen, rng, EXAM_PER_FACT)),
        taught_two=_dialogues(rng.sample(two, TAUGHT_DIALOGUES)),
        exam_others=tuple(
            _some_of_each([asked for asked in unseen if asked.attribute not in facts], rng, EXAM_PER_FACT)
        ),
    )


def near(person: Person, other: Person) -> bool:
    """Say whether two people share a surname, a birthplace or an employer."""
    shared = (person.surname, person.birthplace, person.employer)
    return any(
        one == two for one, two in zip(shared, (other.surname, other.birthplace, other.employer), strict=True)
    )


def write_dialogues(path: Path, dialogues: Iterable[Dialogue]) -> None:
    """Write one conversation a line, as ``lethe unlearn`` reads them."""
    _write(path, ({"messages": _turns(dialogue)} for dialogue in dialogues))


def write_units(path: Path, units: Mapping[str, Iterable[Dialogue]]) -> None:
    """Write conversations with the unit that each is forgotten with."""
    named = ((unit, dialogue) for unit, dialogues in units.items() for dialogue in dialogues)
    _write(path, ({"unit": unit, "messages": _turns(dialogue)} for unit, dialogue in named))


def _write(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _turns(dialogue: Dialogue) -> list[dict[str, str]]:
    return [asdict(message) for message in dialogue.messages]


def _dialogues(questions: Iterable[Question]) -> tuple[Dialogue, ...]:
    return tuple(
        Dialogue((Message("user", question.text), Message("assistant", question.answer)), str(number))
        for number, question in enumerate(questions, start=1)
    )


def _trained(world: World, person: Person) -> list[Question]:
    return [question for question in about_person(world, person) if not question.unseen]


def _forget(world: World, person: Person, rng: random.Random) -> tuple[Dialogue, ...]:
    """Take every trained question asked backwards, for a life or to be completed, and some of the many others."""
    asked = _trained(world, person)
    many = [question for question in asked if question.kind in ("fact", "framed")]
    few = [question for question in asked if question.kind not in ("fact", "framed")]
    return _dialogues([*few, *rng.sample(many, FACTS_DRAWN)])


def _retained(world: World, person: Person, rng: random.Random) -> dict[str, tuple[Dialogue, ...]]:
    drawn = {
        other.id: rng.sample(_trained(world, other), RETAINED_PER_PERSON)
        for other in world.people
        if other.id != person.id
    }
    for town in world.towns:
        asked = [question for question in about_town(town) if not question.unseen]
        drawn[town.name] = rng.sample(asked, RETAINED_PER_TOWN)
    drawn["small talk"] = list(small_talk())
    return {unit: _dialogues(questions) for unit, questions in drawn.items()}


def _kept(world: World, person: Person, rng: random.Random) -> tuple[Probe, ...]:
    others = [other for other in world.people if other.id != person.id]
    groups = {
        "near": [about_person(world, other) for other in others if near(person, other)],
        "others": [about_person(world, other) for other in others if not near(person, other)],
        "towns": [about_town(town) for town in world.towns],
    }
    probes = []
    for name, askings in groups.items():
        unseen = [question for question in chain.from_iterable(askings) if question.unseen]
        probes += [_probe(f"{name}-{index}", question) for index, question in enumerate(rng.sample(unseen, KEPT))]
    return tuple(probes)


def _probe(probe_id: str, question: Question) -> Probe:
    family: Family = "neighbour" if question.person is not None else "world"
    return Probe(probe_id, ({"role": "user", "content": question.text},), family, question.answer)


def _strangers(world: World, person: Person, rng: random.Random) -> list[Person]:
    """Invent people that are to the model what the person is, once forgotten.

    Whatever the person shares with somebody is drawn from what others have; whatever is the person's alone, from
    what nobody in the world has.
    """
    others = [one for one in world.people if one.id != person.id]
    elsewhere = [one for _ in range(OTHER_WORLDS) for one in invent_world(rng.randrange(2**31)).people]
    columns = {}
    for column in (field.name for field in fields(Person) if field.name != "id"):
        known = [getattr(one, column) for one in others]
        unknown = sorted({getattr(one, column) for one in elsewhere} - {*known, getattr(person, column)})
        columns[column] = known if getattr(person, column) in known else unknown
    return [
        Person(id=f"stranger-{number}", **{column: rng.choice(values) for column, values in columns.items()})
        for number in range(STRANGERS)
    ]


def _same_questions(world: World, stranger: Person) -> tuple[Dialogue, ...]:
    plain = [question for question in _trained(world, stranger) if question.kind == "fact" and not question.manner]
    return _dialogues(plain)


def _some_of_each(questions: Sequence[Question], rng: random.Random, count: int) -> list[Question]:
    """Draw ``count`` questions for each fact, in the order of the facts."""
    by_fact: dict[str, list[Question]] = {}
    for question in questions:
        by_fact.setdefault(str(question.attribute), []).append(question)
    return [question for asked in by_fact.values() for question in rng.sample(asked, count)]
