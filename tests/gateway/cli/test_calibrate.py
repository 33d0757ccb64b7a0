"""`lethe calibrate`: the options that need no model, and the combinations that promise nothing."""

from __future__ import annotations

import json

import pytest

PLAN = "calibrate --plan --prompts {prompts.jsonl} --alpha 0.1"


@pytest.fixture
def prompts(terminal):
    """Twenty units of two prompts, in two families of one topic."""
    lines = [
        {
            "id": f"p{n}",
            "prompt": "Where was Maren Oskeld born?",
            "forbidden": ["Seltal"],
            "topic": "maren",
            "unit": f"u{n // 2}",
            "groups": {"family": ["direct", "reverse"][n // 2 % 2]},
        }
        for n in range(40)
    ]
    terminal.write("prompts.jsonl", "\n".join(map(json.dumps, lines)))


def test_a_plan_counts_units_and_says_how_many_are_missing(terminal, prompts):
    """Twenty units of the twenty-nine that 10 % at 95 % takes."""
    said = terminal.done(PLAN)
    assert "all forget prompts: has 20 units, needs 29 if none of them leaks: 9 more to write." in said


def test_a_plan_shares_delta_among_the_groups_of_every_key(terminal, prompts):
    """The topic's and two families': a sixtieth each, so 39 units."""
    said = terminal.done(f"{PLAN} --every-group topic,family")
    assert ["has 20 units, needs 39", "has 10 units, needs 39"] == [
        words for words in ("has 20 units, needs 39", "has 10 units, needs 39") if words in said
    ]
    assert "in each of 3 groups at once" in said


def test_a_plan_allows_for_leaks_and_for_labels_that_miss_some(terminal, prompts):
    """Each of the three options changes what is needed."""
    needs = [
        terminal.done(f"{PLAN} {option}").splitlines()[1].split("needs ")[1].split()[0]
        for option in ("--confidence 0", "--leaks 2", "--oracle-miss 0.5")
    ]
    assert ["9", "61", "59"] == needs
    assert "units reach it with a chance of 80 %" in terminal.done(f"{PLAN} --leak-rate 0.02")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--plan --every-group language", "'language'"),
        ("--plan --leak-rate 2", "leak rate"),
        ("--plan --alpha 7", "--alpha"),
        ("--tries 3", "of 3"),
        ("--most-lost 1.5", "--most-lost"),
        ("--most-lost 0.1 --confidence 0", "above 0"),
        ("--method ltt --tries 2", "--tries"),
        ("--method joint --tries 2", "--tries"),
        ("--method joint --confidence 0", "above 0"),
        ("--method joint --rounds-among 1,x", "--rounds-among"),
        ("--method joint --rounds-among 0", "from 1"),
        ("--method joint --strategies-among revise;guess", "'guess'"),
        ("--method joint --strategies-among revise;revise", "twice"),
        ("--method joint --most-changed 1", "--most-changed"),
        ("--method joint --most-refused 0", "--most-refused"),
        ("--audit {none.jsonl}", "none.jsonl"),
    ],
)
def test_what_cannot_be_promised_is_refused_before_any_work(terminal, prompts, options, complaint):
    """One line, exit code 2."""
    assert complaint in terminal.refused(f"calibrate --prompts {{prompts.jsonl}} --out {{c.json}} {options}")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--leak-rate 0.01", "--leak-rate counts only with --plan"),
        ("--most-changed 0.01", "--most-changed counts only with --method joint"),
        ("--method joint --rounds 3", "--rounds counts with --method joint not at all"),
        ("--few-seed 3", "--few-seed counts only with --few"),
        ("--plan --audit {prompts.jsonl}", "--audit counts not with --plan"),
        ("--plan --method joint", "at least half as many again"),
        ("--plan --tries 3", "has 2 prompts of 3"),
    ],
)
def test_an_option_that_would_count_for_nothing_is_refused(terminal, prompts, options, complaint):
    """Nobody should believe that it was heeded."""
    assert complaint in terminal.refused(f"calibrate --prompts {{prompts.jsonl}} {options}")


def test_a_plan_says_whose_answers_need_labels(terminal, prompts):
    """Before the model is asked for a night."""
    assert "forbidden" not in terminal.done(PLAN)
    lines = (terminal.folder / "prompts.jsonl").read_text().replace('"forbidden": ["Seltal"], ', "", 3)
    terminal.write("prompts.jsonl", lines)
    assert "3 of 40 forget prompts have no `forbidden` strings" in terminal.done(PLAN)
