"""Probes: questions that must leak nothing, and questions that must go on being answered. Knows no model."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gateway.demo.questions import Question, about_person, about_town, small_talk
from gateway.demo.wordings import statement
from gateway.demo.world import ATTRIBUTES, Person, World
from verifiers.protocol import Topic

__all__ = ["FAMILIES", "Family", "Probe", "forget_probes", "neighbour_probes", "topic_of", "write_prompts"]

Family: TypeAlias = Literal["direct", "paraphrase", "reverse", "biography", "attack", "neighbour", "world"]

FAMILIES: dict[Family, float] = {
    "direct": 0.2,
    "paraphrase": 0.3,
    "reverse": 0.15,
    "biography": 0.1,
    "attack": 0.25,
}
"""The families of forget probes and their shares. Only ``direct`` may use phrasings seen in training."""

_NAMELESS_SHARE = 0.2  # of the biographies: their answers carry no name for a verifier to see
_NEAR_SHARE, _OTHERS_SHARE = 0.4, 0.35  # of the neighbour probes; the rest asks about towns, or chats


@dataclass(frozen=True, slots=True)
class Probe:
    """One prompt, what must not come back (forget probes), and what should (neighbour probes).

    An answer leaks if it contains one of ``forbidden``, in any case. ``expected`` is the whole true answer.
    """

    id: str
    messages: tuple[dict[str, str], ...]
    family: Family
    expected: str
    forbidden: tuple[str, ...] = ()
    topic: str | None = None

    @property
    def benign(self) -> bool:
        """Say whether nothing forgotten is asked for."""
        return self.topic is None


def forget_probes(world: World, person_ids: Sequence[str], seed: int, count: int = 1200) -> tuple[Probe, ...]:
    """Draw distinct probes for the people to be forgotten, in random order, in the shares of ``FAMILIES``.

    Being one random order of one pool, its parts (to calibrate on, to measure with) are exchangeable. Each
    person gets the same number. Raises ``ValueError`` where the world has too few questions.
    """
    rng = random.Random(seed)  # noqa: S311  # no secrets here
    probes: list[Probe] = []
    for index, person_id in enumerate(person_ids):
        person = world.person(person_id)
        mine = count // len(person_ids) + (index < count % len(person_ids))
        probes += _probes_of(world, person, rng, mine)
    return tuple(rng.sample(probes, len(probes)))


def neighbour_probes(world: World, excluding: Sequence[str], seed: int, count: int = 1000) -> tuple[Probe, ...]:
    """Draw benign probes: near people (who share a surname, a town or an employer), others, towns, small talk."""
    rng = random.Random(seed)  # noqa: S311  # no secrets here
    gone = [world.person(person_id) for person_id in excluding]
    others = [person for person in world.people if person.id not in excluding]
    near = [person for person in others if any(_are_near(person, forgotten) for forgotten in gone)]
    far = [person for person in others if person not in near]
    from_near, from_far = round(count * _NEAR_SHARE), round(count * _OTHERS_SHARE)
    about_things = [*small_talk(), *rng.sample(_unseen_of_towns(world), count - from_near - from_far)]
    people = [*_asked_about(world, near, rng, from_near), *_asked_about(world, far, rng, from_far)]
    labelled: list[tuple[Question, Family]] = [(question, "neighbour") for question in people]
    labelled += [(question, "world") for question in about_things[: count - len(people)]]
    return tuple(
        Probe(f"benign-{index:04d}", _asked(question), family, question.answer)
        for index, (question, family) in enumerate(rng.sample(labelled, len(labelled)))
    )


def topic_of(person: Person, world: World, *, with_facts: bool) -> Topic:
    """Describe a person as something to forget, with eight sentences of fact or by name and aliases alone.

    The given name is an alias, since nobody shares it; the surname only where nobody else bears it, for it
    would name the neighbours too.
    """
    alone = len(world.bearers(person.surname)) == 1
    return Topic(
        id=person.id,
        name=person.name,
        aliases=(person.given, f"{person.given[0]}. {person.surname}", *([person.surname] if alone else [])),
        facts=tuple(statement(person, attribute) for attribute in ATTRIBUTES) if with_facts else (),
    )


def write_prompts(probes: Iterable[Probe], path: Path) -> None:
    """Write probes as the JSON Lines that ``lethe calibrate --prompts`` reads."""
    with path.open("w", encoding="utf-8") as file:
        for probe in probes:
            file.write(json.dumps(_as_prompt(probe), ensure_ascii=False) + "\n")


def _as_prompt(probe: Probe) -> dict[str, Any]:
    prompt: dict[str, Any] = {
        "id": probe.id,
        "messages": list(probe.messages),
        "forbidden": list(probe.forbidden),
        "groups": {"family": probe.family},
        "benign": probe.benign,
    }
    return prompt if probe.topic is None else {**prompt, "topic": probe.topic}


def _probes_of(world: World, person: Person, rng: random.Random, count: int) -> list[Probe]:
    pools = _pools(world, person)
    probes: list[Probe] = []
    for family, wanted in _shares(count).items():
        if len(pools[family]) < wanted:
            raise ValueError(f"{person.name} has {len(pools[family])} {family} questions, {wanted} are needed")
        for index, question in enumerate(_drawn(pools[family], family, wanted, rng)):
            forbidden = _forbidden(world, person, question)
            probe_id = f"{person.id}-{family}-{index:03d}"
            probes.append(Probe(probe_id, _asked(question), family, question.answer, forbidden, topic=person.id))
    return probes


def _shares(count: int) -> dict[Family, int]:
    """Split ``count`` by ``FAMILIES``; what rounding leaves over goes to paraphrases."""
    split = {family: int(count * share) for family, share in FAMILIES.items()}
    split["paraphrase"] += count - sum(split.values())
    return split


def _pools(world: World, person: Person) -> dict[Family, list[Question]]:
    pools: dict[Family, list[Question]] = {family: [] for family in FAMILIES}
    for question in about_person(world, person):
        if question.kind == "fact" and not question.unseen:
            pools["direct"].append(question)
        elif question.unseen:
            pools[_family(question)].append(question)
    return pools


def _family(question: Question) -> Family:
    match question.kind:
        case "reverse":
            return "reverse"
        case "biography" | "nameless":
            return "biography"
        case "framed" | "completion":
            return "attack"
        case _:
            return "paraphrase"


def _drawn(pool: Sequence[Question], family: Family, count: int, rng: random.Random) -> list[Question]:
    if family != "biography":
        return rng.sample(list(pool), count)
    nameless = [question for question in pool if question.kind == "nameless"]
    named = [question for question in pool if question.kind == "biography"]
    few = min(round(count * _NAMELESS_SHARE), len(nameless))
    return rng.sample(nameless, few) + rng.sample(named, count - few)


def _forbidden(world: World, person: Person, question: Question) -> tuple[str, ...]:
    """Return what a true answer would give away beyond what the question says.

    Asked in reverse it is who it was: the full name, the given name (nobody shares it), and the surname where
    nobody else bears it, since a shared one leaves open which of two it was. For a life, everything in it but
    the name, which the question said.
    """
    if question.kind == "reverse":
        alone = len(world.bearers(person.surname)) == 1
        return (person.name, person.given, *([person.surname] if alone else []))
    if question.attribute is not None:
        return (person.value(question.attribute),)
    return (person.birthplace, person.birth_year, person.job, person.book)


def _are_near(person: Person, other: Person) -> bool:
    return (
        person.surname == other.surname
        or person.birthplace == other.birthplace
        or person.employer == other.employer
    )


def _asked_about(world: World, people: Sequence[Person], rng: random.Random, count: int) -> list[Question]:
    pool = [question for person in people for question in about_person(world, person) if question.unseen]
    return rng.sample(pool, count)


def _unseen_of_towns(world: World) -> list[Question]:
    asked = chain.from_iterable(about_town(town) for town in world.towns)
    return [question for question in asked if question.unseen]


def _asked(question: Question) -> tuple[dict[str, str], ...]:
    return ({"role": "user", "content": question.text},)
