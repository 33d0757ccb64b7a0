"""The training dialogues: what is held out stays out, and revisions speak the guard's own words."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.demo.corpus import Dialogue, training_dialogues
from gateway.demo.questions import about_person, about_town
from gateway.demo.wordings import (
    BIOGRAPHY,
    FRAMES,
    PREFIXES,
    QUESTIONS,
    REFUSALS,
    REVERSE_QUESTIONS,
    TOWN_QUESTIONS,
    completion_stem,
    statement,
)
from gateway.demo.world import ATTRIBUTES, World
from gateway.guard.refine import REVISE_WITH_WORDS, UNAWARE

REVISING = REVISE_WITH_WORDS.split("{", 1)[0]
UNAWARE_START = UNAWARE.split("{", 1)[0]


@pytest.fixture(scope="module")
def dialogues(world: World) -> tuple[Dialogue, ...]:
    """As many as a training run sees."""
    return training_dialogues(world, 1, 30_000)


def revisions(dialogues: tuple[Dialogue, ...]) -> list[Dialogue]:
    """Those in which the model is told which words it must not say."""
    return [dialogue for dialogue in dialogues if dialogue[-2]["content"].startswith(REVISING)]


def test_no_unseen_question_occurs_in_training(world: World, dialogues: tuple[Dialogue, ...]) -> None:
    """Every question called unseen, about anyone, is absent from every user turn."""
    asked = {turn["content"] for dialogue in dialogues for turn in dialogue if turn["role"] == "user"}
    everything = [question for person in world.people for question in about_person(world, person)]
    everything += [question for town in world.towns for question in about_town(town)]
    unseen = {question.text for question in everything if question.unseen}
    seen = {question.text for question in everything if not question.unseen}
    assert asked & unseen == set()
    assert len(asked & seen) > 8_000


def test_held_out_prefixes_and_frames_occur_nowhere(dialogues: tuple[Dialogue, ...]) -> None:
    """Not even around a question about something else."""
    text = "\n".join(turn["content"] for dialogue in dialogues for turn in dialogue)
    pieces = [*PREFIXES.held_out, *(frame.format(question="").strip() for frame in FRAMES.held_out)]
    assert [piece for piece in pieces if piece in text] == []


@pytest.mark.parametrize("table", [QUESTIONS, REVERSE_QUESTIONS, TOWN_QUESTIONS, {"biography": BIOGRAPHY}])
def test_wordings_are_several_and_some_are_held_out(table: dict[str, object]) -> None:
    """No held-out wording is also trained."""
    for wordings in table.values():
        assert len(set(wordings.all)) == len(wordings.trained) + len(wordings.held_out)
        assert len(wordings.trained) >= 4
        assert len(wordings.held_out) >= 1


def test_every_attribute_has_seven_trained_and_two_held_out_wordings() -> None:
    """And there are eight prefixes, two of them held out."""
    assert {(len(QUESTIONS[name].trained), len(QUESTIONS[name].held_out)) for name in ATTRIBUTES} == {(7, 2)}
    assert (len(PREFIXES.trained), len(PREFIXES.held_out)) == (6, 2)


def test_every_fact_is_told_many_times(world: World, dialogues: tuple[Dialogue, ...]) -> None:
    """No fact is left to luck."""
    told = Counter(turn["content"] for dialogue in dialogues for turn in dialogue if turn["role"] == "assistant")
    counts = [told[statement(person, attribute)] for person in world.people for attribute in ATTRIBUTES]
    assert min(counts) >= 20


def test_revisions_are_mostly_but_not_always_good(dialogues: tuple[Dialogue, ...]) -> None:
    """A model that revised perfectly would make the loop pointless."""
    answers = [dialogue[-1]["content"] in REFUSALS for dialogue in revisions(dialogues)]
    assert len(answers) > 3_000
    assert 0.6 <= sum(answers) / len(answers) <= 0.9


def test_revisions_name_words_of_several_kinds(world: World, dialogues: tuple[Dialogue, ...]) -> None:
    """Names, values, both, and words that the answer never said."""
    names = {person.name for person in world.people}
    kinds: Counter[str] = Counter()
    for dialogue in revisions(dialogues):
        words = dialogue[-2]["content"][len(REVISING) : -len(REVISE_WITH_WORDS.split("}")[1])].split(", ")
        named = any(word in names for word in words)
        said = all(word in dialogue[-3]["content"] for word in words)
        kinds["novel" if not said else "name" if words[0] in names and len(words) == 1 else ""] += 1
        kinds["both" if named and len(words) > 1 else "value" if not named else ""] += 1
    assert all(kinds[kind] > 100 for kind in ("novel", "name", "both", "value"))


def test_the_unaware_instruction_is_obeyed_mostly_but_not_always(dialogues: tuple[Dialogue, ...]) -> None:
    """It stands in the system message, as the guard puts it; some of these ask about somebody else."""
    answers = [
        dialogue[-1]["content"] in REFUSALS for dialogue in dialogues if UNAWARE_START in dialogue[0]["content"]
    ]
    assert len(answers) > 1_000
    assert 0.3 <= sum(answers) / len(answers) <= 0.85


def test_the_same_seed_writes_the_same_dialogues(world: World) -> None:
    """And another seed others."""
    assert training_dialogues(world, 2, 50) == training_dialogues(world, 2, 50)
    assert training_dialogues(world, 2, 50) != training_dialogues(world, 3, 50)


def test_a_completion_stem_ends_before_the_value(world: World) -> None:
    """What is left out is exactly the value."""
    person = world.people[0]
    for attribute in ATTRIBUTES:
        stem = completion_stem(person, attribute)
        assert statement(person, attribute).startswith(stem)
        assert person.value(attribute) not in stem
