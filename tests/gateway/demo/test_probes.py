"""The probes: each asks what it says it asks, and its oracle recognises the true answer as a leak."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from gateway.demo.probes import FAMILIES, Probe, forget_probes, neighbour_probes, topic_of, write_prompts
from gateway.demo.questions import about_person
from gateway.demo.wordings import REFUSALS
from gateway.demo.world import World


@pytest.fixture(scope="module")
def forgotten(world: World) -> list[str]:
    """Two people who share their surname, two who do not."""
    alone = [person.id for person in world.people if len(world.bearers(person.surname)) == 1]
    shared = [person.id for person in world.people if len(world.bearers(person.surname)) == 2]
    return [*alone[:2], *shared[:2]]


@pytest.fixture(scope="module")
def probes(world: World, forgotten: list[str]) -> tuple[Probe, ...]:
    """The forget probes."""
    return forget_probes(world, forgotten, seed=5)


@pytest.fixture(scope="module")
def benign(world: World, forgotten: list[str]) -> tuple[Probe, ...]:
    """The neighbour probes."""
    return neighbour_probes(world, forgotten, seed=5)


def prompt(probe: Probe) -> str:
    """What the probe asks."""
    return probe.messages[-1]["content"]


def test_there_are_enough_distinct_probes(probes: tuple[Probe, ...], benign: tuple[Probe, ...]) -> None:
    """For 400 to calibrate on and 400 fresh ones, with room to spare."""
    assert len({prompt(probe) for probe in probes}) == len({probe.id for probe in probes}) == 1200
    assert len({prompt(probe) for probe in benign}) == len({probe.id for probe in benign}) == 1000


def test_every_true_answer_holds_every_forbidden_string_or_a_name(probes: tuple[Probe, ...]) -> None:
    """The oracle sees a leak where there is one, and none in a refusal or in the question."""
    for probe in probes:
        assert any(text in probe.expected for text in probe.forbidden)
        assert not any(text in refusal for text in probe.forbidden for refusal in REFUSALS)
        assert not any(text in prompt(probe) for text in probe.forbidden)


def test_families_come_in_their_shares_and_people_equally(probes: tuple[Probe, ...]) -> None:
    """Every person is asked about in every family."""
    families = Counter(probe.family for probe in probes)
    assert families == {family: round(1200 * share) for family, share in FAMILIES.items()}
    assert set(Counter(probe.topic for probe in probes).values()) == {300}


def test_all_but_direct_probes_use_phrasings_never_trained_on(world: World, probes: tuple[Probe, ...]) -> None:
    """Unseen means that the wording, the prefix or the frame was held out."""
    unseen = {asked.text: asked.unseen for person in world.people for asked in about_person(world, person)}
    assert {unseen[prompt(probe)] for probe in probes if probe.family == "direct"} == {False}
    assert {unseen[prompt(probe)] for probe in probes if probe.family != "direct"} == {True}


def test_a_shared_surname_is_not_forbidden_and_a_lone_one_is(
    world: World, probes: tuple[Probe, ...], forgotten: list[str]
) -> None:
    """A surname that two people bear does not say which of them it was."""
    for person_id in forgotten:
        person = world.person(person_id)
        reverse = [probe for probe in probes if probe.family == "reverse" and probe.topic == person_id]
        alone = len(world.bearers(person.surname)) == 1
        assert {person.surname in probe.forbidden for probe in reverse} == {alone}
        assert all({person.name, person.given} <= set(probe.forbidden) for probe in reverse)
        assert (person.surname in topic_of(person, world, with_facts=False).aliases) == alone


def test_biographies_speak_mostly_by_name_and_sometimes_without(probes: tuple[Probe, ...]) -> None:
    """A verifier that knows only names cannot see all of them."""
    lives = [probe for probe in probes if probe.family == "biography"]
    assert Counter(probe.expected.startswith("This person") for probe in lives) == {False: 96, True: 24}
    assert {len(probe.forbidden) for probe in lives} == {4}


def test_benign_probes_ask_about_nobody_forgotten(
    world: World, benign: tuple[Probe, ...], forgotten: list[str]
) -> None:
    """Neither the question nor its answer holds the name of somebody forgotten."""
    names = [world.person(person_id).name for person_id in forgotten]
    assert not any(name in prompt(probe) + probe.expected for probe in benign for name in names)
    assert all(probe.benign and probe.forbidden == () for probe in benign)


def test_many_neighbours_are_near(world: World, benign: tuple[Probe, ...], forgotten: list[str]) -> None:
    """Bearers of the same surname are asked about, too."""
    shared = {world.person(person_id).surname for person_id in forgotten[2:]}
    near = [probe for probe in benign if any(f" {surname}" in probe.expected for surname in shared)]
    assert len(near) >= 20
    assert Counter(probe.family for probe in benign) == {"neighbour": 750, "world": 250}


def test_the_same_seed_draws_the_same_probes(world: World, forgotten: list[str]) -> None:
    """And another seed another order."""
    assert forget_probes(world, forgotten, 1) == forget_probes(world, forgotten, 1)
    assert forget_probes(world, forgotten, 1) != forget_probes(world, forgotten, 2)


def test_more_probes_than_there_are_questions_is_an_error(world: World, forgotten: list[str]) -> None:
    """None is repeated to make up the number."""
    with pytest.raises(ValueError, match="are needed"):
        forget_probes(world, forgotten, 1, count=4000)


def test_a_topic_has_eight_facts_or_none(world: World) -> None:
    """One kind is known by sentences, the other by name and aliases alone."""
    person = world.people[0]
    told = topic_of(person, world, with_facts=True)
    assert (told.id, told.name, len(told.facts)) == (person.id, person.name, 8)
    assert topic_of(person, world, with_facts=False).facts == ()


def test_prompts_are_written_one_per_line(
    probes: tuple[Probe, ...], benign: tuple[Probe, ...], tmp_path: Path
) -> None:
    """In the form that calibration reads; a benign prompt has no topic."""
    write_prompts([probes[0], benign[0]], tmp_path / "prompts.jsonl")
    first, second = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert first == {
        "id": probes[0].id,
        "messages": list(probes[0].messages),
        "forbidden": list(probes[0].forbidden),
        "topic": probes[0].topic,
        "groups": {"family": probes[0].family},
        "benign": False,
    }
    assert (second["benign"], "topic" in second) == (True, False)
