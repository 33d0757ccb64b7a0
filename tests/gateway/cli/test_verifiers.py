"""`lethe verifiers train`: what it learns from, what it says, and what it refuses."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("sklearn", reason="training needs scikit-learn (the extra `learned`)")

from gateway.errors import InvalidInput
from gateway.guard.prompts import prompt_line, read_prompts
from gateway.guard.seen import check_unseen
from tests.gateway.cli.recorded import begin, prompts, record
from verifiers.learned import read_learned

TRAIN = "verifiers train --prompts {prompts.jsonl} --trajectories {t.jsonl} --out {learned.json} --database {l.db}"


@pytest.fixture
def desk(terminal):
    """Ninety prompts with their answers, and the topic in a database."""
    begin(terminal)
    return terminal


def test_what_was_trained_on_is_said_and_marked_in_the_model(desk):
    """Its marks tell the units, and tell no words; the prompts that were left out are those it never saw."""
    said = desk.done(f"{TRAIN} --share 0.6 --rest {{rest.jsonl}}")
    assert ["answers of 54 units" in said or "answers of 55 units" in said, "learned: 1.000" in said] == [True] * 2
    model = read_learned(desk.folder / "learned.json")
    left = {prompt.id for prompt in read_prompts(desk.folder / "rest.jsonl").prompts}
    assert left == {f"p{n}" for n in range(90) if not model.saw(f"p{n}")} | (
        {"b"} if not model.saw("b") else set()
    )
    assert 36 == len(left)
    assert "Maren" not in (desk.folder / "learned.json").read_text()


def test_the_prompts_left_out_are_read_back_as_they_were(desk):
    """Everything that a prompt says, but for defaults that are now said."""
    lines = prompts(90, forbidden=["Seltal"], groups={"family": "direct"}, parameters={"max_tokens": 5}, unit="u")
    desk.write("many.jsonl", "\n".join(map(json.dumps, lines)))
    before = read_prompts(desk.folder / "many.jsonl").prompts
    desk.write("again.jsonl", "".join(map(prompt_line, before)))
    assert before == read_prompts(desk.folder / "again.jsonl").prompts


def test_a_question_that_was_trained_on_is_recognised_under_another_name(desk):
    """And one that has only its name in common with one is refused too, with what to do."""
    desk.done(f"{TRAIN} --share 1")
    model = read_learned(desk.folder / "learned.json")
    for changed in ({"id": "new"}, {"prompt": "Who?"}):
        desk.write("other.jsonl", json.dumps({**prompts(1)[0], **changed}))
        with pytest.raises(InvalidInput, match="trained on 1 of the 1 units") as refusal:
            check_unseen(read_prompts(desk.folder / "other.jsonl"), model)
        assert "another `unit`" in str(refusal.value)
    desk.write("other.jsonl", json.dumps({"id": "new", "prompt": "Who?"}))
    check_unseen(read_prompts(desk.folder / "other.jsonl"), model)


def test_answers_without_a_label_are_left_out_and_counted(desk):
    """Labels may come from a file instead."""
    record(desk, 90, labelled=False)
    assert "at least 10 leaks" in desk.refused(TRAIN)
    labels = [{"id": f"p{n}", "labels": [True, None if n < 5 else False]} for n in range(90)]
    desk.write("labels.jsonl", "".join(json.dumps(line) + "\n" for line in labels))
    said = desk.done(f"{TRAIN} --share 1 --labels {{labels.jsonl}}")
    assert "Trained on 180 answers of 90 units, 90 of them leaks" in said
    assert "1 answers are of conversations that touch no topic" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--share 0", "--share must lie above 0"),
        ("--share 1 --rest {rest.jsonl}", "--share below 1"),
        ("--share 0.1", "more of the units with --share"),
        ("--labels {labels.jsonl}", "the recording has no prompt 'nobody'"),
        ("--prompts {other.jsonl}", "recorded with another prompts file"),
        ("--trajectories {none.jsonl}", "none.jsonl: No such file"),
        ("--trajectories {prompts.jsonl}", "line 1: the field 'lethe' is missing"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(desk, arguments, complaint):
    """Exit code 2, no model written."""
    desk.write("labels.jsonl", '{"id": "nobody", "labels": [true]}\n')
    desk.write("other.jsonl", json.dumps(prompts(1)[0]))
    assert complaint in desk.refused(f"{TRAIN} {arguments}")
    assert not (desk.folder / "learned.json").exists()


def test_other_topics_than_the_recorded_ones_are_refused(desk):
    """Their evidence would be about something else."""
    record(desk, 90, topics={"maren": "another wording"})
    assert "other active topics" in desk.refused(TRAIN)
    desk.done("topics off maren --database {l.db}")
    assert "no topic is active" in desk.refused(TRAIN)
