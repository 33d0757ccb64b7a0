"""The material: nothing held out is trained on, and nobody else is forgotten."""

from itertools import pairwise

import pytest
from forgetting.material import choose_people, material_for, near, write_dialogues

from gateway.demo.questions import about_person
from gateway.demo.world import invent_world
from unlearners.language.dialogues import read_dialogues

WORLD = invent_world(0)
PERSON = choose_people(WORLD, 0, 1)[0]


@pytest.fixture(scope="module")
def material():
    """Draw it once."""
    return material_for(WORLD, PERSON, 0)


def asked(dialogues):
    """Return the questions."""
    return {dialogue.messages[-2].content for dialogue in dialogues}


def test_the_same_arguments_give_the_same_material(material):
    """And another seed gives another."""
    assert material == material_for(WORLD, PERSON, 0)
    assert material.forget != material_for(WORLD, PERSON, 1).forget


def test_nothing_that_is_measured_was_trained_on(material):
    """But the family of direct probes, which is trained wordings by design."""
    trained = asked((*material.forget, *material.retain, *material.taught, *material.taught_two))
    measured = {
        probe.messages[-1]["content"] for probe in (*material.measured, *material.kept) if probe.family != "direct"
    }
    assert not trained & measured
    assert not trained & {question.text for question in (*material.exam, *material.exam_others)}


def test_calibration_and_measurement_share_no_probe(material):
    """They are parts of one order."""
    assert not {probe.id for probe in material.calibration} & {probe.id for probe in material.measured}
    assert 0.7 < len(material.calibration) / len(material.measured) < 1


def test_what_is_kept_tells_nothing_of_the_person(material):
    """Neither by the name nor by what is the person's alone."""
    told = " ".join(message.content for dialogue in material.retain for message in dialogue.messages)
    alone = [PERSON.name, PERSON.given, PERSON.book, PERSON.pet_name, PERSON.dish]
    assert [] == [value for value in alone if value in told]


def test_all_that_is_forgotten_is_the_persons(material):
    """Every dialogue is one of those about this person, and reverse questions are among them."""
    own = {(question.text, question.answer): question.kind for question in about_person(WORLD, PERSON)}
    kinds = [own[dialogue.messages[0].content, dialogue.answer] for dialogue in material.forget]
    assert {"fact", "framed", "reverse", "biography", "nameless", "completion"} == set(kinds)


def test_strangers_are_asked_what_the_person_is_asked(material):
    """Question by question, under other names, with other answers of their own."""
    for stranger in material.strangers:
        assert len(material.own) == len(stranger)
        names = {dialogue.answer.split()[0] for dialogue in stranger}
        assert 1 == len(names)
        assert not names & {one.given for one in WORLD.people}


def test_two_facts_are_taught_and_the_others_examined(material):
    """Without overlap."""
    told = {dialogue.answer.removeprefix(PERSON.name) for dialogue in material.taught_two}
    assert not {question.answer.removeprefix(PERSON.name) for question in material.exam_others} & told
    assert 6 == len({question.attribute for question in material.exam_others})


def test_chosen_people_share_a_surname_and_hence_have_a_neighbour():
    """One neighbour at least, of whom probes of the family near ask."""
    people = choose_people(WORLD, 0, 5)
    assert all(
        any(near(person, other) for other in WORLD.bearers(person.surname) if other != person) for person in people
    )
    assert people[:3] == choose_people(WORLD, 0, 3)


def test_the_world_without_a_person_has_everybody_else(material):
    """In the same order."""
    left = material.world_without.people
    assert (len(WORLD.people) - 1, False) == (len(left), PERSON in left)
    assert all(WORLD.people.index(one) < WORLD.people.index(two) for one, two in pairwise(left))


def test_written_dialogues_are_what_the_unlearner_reads(material, tmp_path):
    """The same messages in the same order."""
    write_dialogues(tmp_path / "F.jsonl", material.forget)
    assert list(material.forget) == list(read_dialogues(tmp_path / "F.jsonl"))
