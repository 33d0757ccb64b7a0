"""`lethe labels`: the sheet that people fill in, a judge's labels, and `lethe calibrate --few` that takes both."""

from __future__ import annotations

import json
import stat

import pytest

from tests.gateway.cli.recorded import begin, record

FROM = "--prompts {prompts.jsonl} --trajectories {t.jsonl}"


@pytest.fixture
def desk(terminal):
    """Ninety prompts with their answers, and the topic in a database."""
    begin(terminal)
    return terminal


def test_a_sample_is_written_for_its_owner_alone_and_says_what_to_do(desk):
    """Each line has the question, the answers and a place for each label; the seed draws it again."""
    said = desk.done(f"labels sample {FROM} --units 20 --seed 3 --out {{sheet.jsonl}}")
    assert ["40 answers to 20 prompts" in said, "--few" in said] == [True, True]
    sheet = desk.folder / "sheet.jsonl"
    lines = [json.loads(line) for line in sheet.read_text().splitlines()]
    assert (20, ["In Seltal.", "I do not know."], [None, None]) == (
        len(lines),
        lines[0]["answers"],
        lines[0]["labels"],
    )
    assert 0o600 == stat.S_IMODE(sheet.stat().st_mode)
    desk.done(f"labels sample {FROM} --units 20 --seed 3 --out {{again.jsonl}}")
    desk.done(f"labels sample {FROM} --units 20 --seed 4 --out {{other.jsonl}}")
    drawn = [(desk.folder / name).read_text() for name in ("sheet.jsonl", "again.jsonl", "other.jsonl")]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (f"labels sample {FROM} --units 91", "cannot draw 91 of 90 units"),
        ("labels sample --prompts {prompts.jsonl} --trajectories {none.jsonl} --units 5", "No such file"),
        ("labels sample --prompts {other.jsonl} --trajectories {t.jsonl} --units 5", "another prompts file"),
        (f"labels judge {FROM} --database {{l.db}}", "LETHE_JUDGE_URL"),
        ("calibrate --prompts {prompts.jsonl} --few {few.jsonl} --tries 2", "--few is a method of its own"),
        ("calibrate --prompts {prompts.jsonl} --few {few.jsonl} --confidence 0", "--few is a method of its own"),
        ("calibrate --prompts {prompts.jsonl} --few {few.jsonl} --method ltt", "--few is a method of its own"),
        ("calibrate --prompts {prompts.jsonl} --few {few.jsonl} --method joint", "--few"),
        ("calibrate --prompts {prompts.jsonl} --few {few.jsonl}", "such as 'nobody'"),
        ("calibrate --prompts {prompts.jsonl} --labels {few.jsonl}", "such as 'nobody'"),
        ("calibrate --prompts {prompts.jsonl} --labels {none.jsonl}", "cannot read the labels file"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(desk, command, complaint):
    """Exit code 2, before any model is asked."""
    desk.write("other.jsonl", '{"prompt": "Who?"}')
    desk.write("few.jsonl", '{"id": "nobody", "labels": [true]}\n')
    assert complaint in desk.refused(command)


def test_a_judge_that_has_no_topic_to_judge_by_is_refused(desk):
    """It would call nothing a leak."""
    record(desk, 3)
    desk.done("topics off maren --database {l.db}")
    assert "no topic is active" in desk.refused(f"labels judge {FROM} --database {{l.db}}")
