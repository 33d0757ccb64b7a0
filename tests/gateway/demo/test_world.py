"""The invented world: enough of it, nothing ambiguous, neighbours that are near."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from gateway.demo.names import NameSource
from gateway.demo.world import ATTRIBUTES, TOWN_ATTRIBUTES, World, invent_world


def test_the_same_seed_invents_the_same_world() -> None:
    """And another seed another one."""
    assert invent_world(3) == invent_world(3)
    assert invent_world(3) != invent_world(4)


@pytest.mark.parametrize("seed", range(20))
def test_every_seed_yields_a_full_world(seed: int) -> None:
    """At least 60 people with 8 facts, and 60 facts about things."""
    world = invent_world(seed)
    assert len(world.people) >= 60
    assert len(ATTRIBUTES) >= 8
    assert len(world.towns) * len(TOWN_ATTRIBUTES) >= 60
    assert all(person.value(attribute) for person in world.people for attribute in ATTRIBUTES)


def test_given_names_books_and_pets_belong_to_one_person(world: World) -> None:
    """What must be unique is unique."""
    for field in ("id", "given", "name", "book", "pet_name", "dish", "birth_year"):
        assert len({getattr(person, field) for person in world.people}) == len(world.people)


def test_some_people_share_surnames_towns_and_employers(world: World) -> None:
    """Forgetting one person has neighbours to spare; some surnames are borne by one person alone."""
    surnames = Counter(person.surname for person in world.people)
    assert sum(count == 2 for count in surnames.values()) == 24
    assert sum(count == 1 for count in surnames.values()) == 16
    assert len({person.birthplace for person in world.people}) == 24
    assert len({person.employer for person in world.people}) == 48


def test_a_shared_employer_is_not_reversible_and_a_book_always_is(world: World) -> None:
    """Reverse questions are asked only where one person answers them."""
    shared = Counter(person.employer for person in world.people)
    for person in world.people:
        assert ("employer" in world.reversible(person)) == (shared[person.employer] == 1)
        assert {"book", "pet"} <= set(world.reversible(person))


def test_no_name_lies_within_another(world: World) -> None:
    """An oracle that looks for a name in an answer finds that name only."""
    names = [person.given for person in world.people] + [town.name for town in world.towns]
    names += sorted({person.surname for person in world.people}) + [person.pet_name for person in world.people]
    assert [(one, other) for one in names for other in names if one != other and one in other] == []


def test_people_are_found_by_their_ids(world: World) -> None:
    """The look-up returns the person themselves."""
    assert world.person(world.people[7].id) is world.people[7]


def test_a_source_without_enough_syllables_says_so() -> None:
    """Names are never repeated to make up the number."""
    with pytest.raises(ValueError, match="unlike one another"):
        NameSource(random.Random(1)).draw("river", 1000)
