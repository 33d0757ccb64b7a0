"""The invented world that the demo model knows: people and towns, all from one seed. Knows no phrasings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias, TypeVar, get_args

from gateway.demo.names import NameSource

__all__ = [
    "ATTRIBUTES",
    "PEOPLE",
    "REVERSIBLE",
    "TOWN_ATTRIBUTES",
    "Attribute",
    "Person",
    "Town",
    "TownAttribute",
    "World",
    "invent_world",
]

Attribute: TypeAlias = Literal["birthplace", "birth_year", "job", "employer", "hobby", "dish", "pet", "book"]
TownAttribute: TypeAlias = Literal["river", "festival", "founded"]

ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)
TOWN_ATTRIBUTES: tuple[TownAttribute, ...] = get_args(TownAttribute)
REVERSIBLE: tuple[Attribute, ...] = ("book", "pet", "employer")
"""What can be asked backwards, where the value belongs to one person alone."""

PEOPLE = 64
_SHARED_SURNAMES = 24  # each borne by two people, so that some neighbours differ by the given name only
_SHARED_EMPLOYERS = 16
_TOWNS = 24

_JOBS = (
    "lampmaker", "bellfounder", "mapmaker", "ropewalker", "beekeeper", "glassblower", "ferry pilot",
    "clockmaker", "stonemason", "tea blender", "puppeteer", "kite tester", "saltmaker", "bookbinder",
    "well digger", "wind reader",
)  # fmt: skip
_HOBBIES = (
    "kite carving", "marble racing", "moss painting", "cloud drawing", "shell sorting", "night fishing",
    "stilt dancing", "barrel rolling", "whistle making", "snow sculpting", "riddle writing",
    "hill running", "pebble throwing", "candle dipping", "fern pressing", "drum building",
)  # fmt: skip
_PETS = ("goat", "heron", "hedgehog", "tortoise", "raven", "ferret", "donkey", "newt")
_ADJECTIVES = (
    "Burning", "Silent", "Crooked", "Golden", "Hollow", "Patient", "Seventh", "Drowned", "Wandering",
    "Frozen", "Painted", "Borrowed", "Velvet", "Broken", "Distant", "Salted",
)  # fmt: skip
_NOUNS = (
    "Window", "Harbour", "Lantern", "Orchard", "Staircase", "Mirror", "Compass", "Bridge", "Garden",
    "Clock", "Feather", "Kingdom", "Letter", "Mountain", "Needle", "Tower",
)  # fmt: skip
_HOUSES = ("Works", "Guild", "Mill", "Press", "Yard", "House")
_FEASTS = ("Lantern", "Apple", "Frost", "Drum", "Herring", "Ribbon", "Barley", "Mirror")
_FEAST_KINDS = ("Fair", "Night", "Parade")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody invented: a given name that nobody shares, a surname that some do, eight facts."""

    id: str
    given: str
    surname: str
    birthplace: str
    birth_year: str
    job: str
    employer: str
    hobby: str
    dish: str
    pet: str
    pet_name: str
    book: str

    @property
    def name(self) -> str:
        """The full name."""
        return f"{self.given} {self.surname}"

    def value(self, attribute: Attribute) -> str:
        """Return the words that answer a question about ``attribute``; for a pet its name."""
        return self.pet_name if attribute == "pet" else str(getattr(self, attribute))


@dataclass(frozen=True, slots=True)
class Town:
    """An invented place: its river, its festival and the year of its founding."""

    name: str
    river: str
    festival: str
    founded: str

    def value(self, attribute: TownAttribute) -> str:
        """Return the words that answer a question about ``attribute``."""
        return str(getattr(self, attribute))


@dataclass(frozen=True, slots=True)
class World:
    """Everything there is to know, and the seed it was invented from."""

    seed: int
    people: tuple[Person, ...]
    towns: tuple[Town, ...]

    def person(self, person_id: str) -> Person:
        """Return the person with this id. Raises ``KeyError``."""
        return {person.id: person for person in self.people}[person_id]

    def bearers(self, surname: str) -> tuple[Person, ...]:
        """Return everybody with this surname."""
        return tuple(person for person in self.people if person.surname == surname)

    def reversible(self, person: Person) -> tuple[Attribute, ...]:
        """Return what can be asked backwards and leads to this person alone."""
        return tuple(
            attribute
            for attribute in REVERSIBLE
            if sum(other.value(attribute) == person.value(attribute) for other in self.people) == 1
        )


def invent_world(seed: int) -> World:
    """Invent 64 people with eight facts each and 24 towns with three. The same seed, the same world."""
    rng = random.Random(seed)  # noqa: S311  # an invented world keeps no secrets
    names = NameSource(rng)
    towns = _invent_towns(rng, names)
    return World(seed=seed, people=_invent_people(rng, names, towns), towns=towns)


def _invent_towns(rng: random.Random, names: NameSource) -> tuple[Town, ...]:
    founded = rng.sample(range(1203, 1698), _TOWNS)
    feasts = [f"{feast} {kind}" for feast, kind in product(_FEASTS, _FEAST_KINDS)]
    rng.shuffle(feasts)
    columns = zip(names.draw("town", _TOWNS), names.draw("river", _TOWNS), feasts, founded, strict=True)
    return tuple(Town(name, river, feast, str(year)) for name, river, feast, year in columns)


def _invent_people(rng: random.Random, names: NameSource, towns: Sequence[Town]) -> tuple[Person, ...]:
    given = names.draw("given", PEOPLE)
    surnames = names.draw("surname", PEOPLE - _SHARED_SURNAMES)
    by_surname = _shuffled(rng, surnames + surnames[:_SHARED_SURNAMES])
    distinct = PEOPLE - _SHARED_EMPLOYERS
    employers = tuple(f"{firm} {rng.choice(_HOUSES)}" for firm in names.draw("firm", distinct))
    by_employer = _shuffled(rng, employers + employers[:_SHARED_EMPLOYERS])
    by_town = _shuffled(rng, _cycled([town.name for town in towns]))
    by_job, by_hobby, by_pet = (_shuffled(rng, _cycled(words)) for words in (_JOBS, _HOBBIES, _PETS))
    years = rng.sample(range(1912, 1996), PEOPLE)
    dishes, pets = names.draw("dish", PEOPLE), names.draw("pet", PEOPLE)
    books = rng.sample([f"The {first} {second}" for first, second in product(_ADJECTIVES, _NOUNS)], PEOPLE)
    return tuple(
        Person(
            id=f"{given[i]}-{by_surname[i]}".lower(),
            given=given[i],
            surname=by_surname[i],
            birthplace=by_town[i],
            birth_year=str(years[i]),
            job=by_job[i],
            employer=by_employer[i],
            hobby=by_hobby[i],
            dish=dishes[i],
            pet=by_pet[i],
            pet_name=pets[i],
            book=books[i],
        )
        for i in range(PEOPLE)
    )


def _cycled(words: Sequence[_T]) -> list[_T]:
    return [words[i % len(words)] for i in range(PEOPLE)]


def _shuffled(rng: random.Random, words: Sequence[_T]) -> list[_T]:
    return rng.sample(list(words), len(words))
