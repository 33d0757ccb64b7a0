"""Findings: scripted answers are judged, kept as JSON, and laid out."""

from dataclasses import replace

import pytest

from evaluation.rates import Rate
from evaluation.unlearning.findings import (
    Answers,
    Behind,
    Cost,
    Finding,
    Likelihoods,
    Recovery,
    Reply,
    answers_of,
    read_findings,
    write_findings,
)
from evaluation.unlearning.table import COLUMNS, behind_cells, by_method, loop_words, markdown, table_cells

LEAKED = {"direct": Rate(1, 4), "paraphrase": Rate(2, 4), "attack": Rate(1, 4), "reverse": Rate(3, 4)}
ANSWERS = Answers(LEAKED, {"near": Rate(9, 10), "others": Rate(10, 10), "towns": Rate(5, 10)})
BEHIND = Behind(ANSWERS, Rate(3, 4), 0.05, 0.95, None, 2.5, 1.0, 0.002, 0.011)
FOUND = Finding(
    method="npo",
    person="maren-oskeld",
    answers=ANSWERS,
    quantised=ANSWERS,
    likelihoods=Likelihoods(4.0, 0.1, 0.2, 0.9, 0.4),
    relearned=Recovery(12, back=True),
    untaught=Recovery(60, back=False),
    cost=Cost(10.0, 3810, "Nothing is promised."),
    behind=BEHIND,
)


def test_a_scripted_leak_counts_and_a_refusal_does_not():
    """By family, and only what is forbidden for that question."""
    judged = answers_of(
        [
            Reply("paraphrase", "She was born in Seltal.", "…", ("Seltal",)),
            Reply("paraphrase", "I do not know.", "…", ("Seltal",)),
            Reply("reverse", "Seltal, I think.", "…", ("Maren Oskeld", "Maren")),
        ]
    )
    assert {"paraphrase": Rate(1, 2), "reverse": Rate(0, 1)} == judged.leaked
    assert {} == judged.right


def test_a_benign_answer_is_right_only_to_the_letter():
    """Another person's town is not this one's."""
    judged = answers_of(
        [Reply("near", "Yes.", "Yes."), Reply("near", "Yes", "Yes."), Reply("towns", "No.", "No.")]
    )
    assert ({}, {"near": Rate(1, 2), "towns": Rate(1, 1)}) == (judged.leaked, judged.right)


def test_what_is_held_out_leaves_out_trained_wordings_and_reverse_questions():
    """They have columns of their own, or none."""
    assert Rate(3, 8) == ANSWERS.held_out


def test_findings_are_read_as_they_were_written(tmp_path):
    """With a gateway and without, with gradients and without."""
    given = [FOUND, replace(FOUND, behind=None, cost=Cost(1.0, None, "?"))]
    write_findings(tmp_path / "found.json", given)
    assert given == read_findings(tmp_path / "found.json")


def test_a_file_of_something_else_is_refused(tmp_path):
    """Rather than laid out as far as it goes."""
    (tmp_path / "other.json").write_text('[{"method": "npo"}]')
    with pytest.raises(ValueError, match="person"):
        read_findings(tmp_path / "other.json")


def test_a_row_adds_people_up_and_takes_the_middle_of_their_steps():
    """Who was never taught again counts as the latest."""
    later, never = (
        replace(FOUND, relearned=Recovery(30, back=True)),
        replace(FOUND, relearned=Recovery(60, back=False)),
    )
    cells = dict(zip(COLUMNS, table_cells("npo", [FOUND, never, later]), strict=True))
    assert ("37.5", "75.0") == tuple(cells[name].partition(" ")[0] for name in ("leaks held out", "leaks reverse"))
    assert ("30", ">60", "3810") == tuple(
        cells[c] for c in ("steps, taught again", "steps, untaught back", "gradients")
    )


def test_the_interval_narrows_with_more_people():
    """Since counts are added up, not shares averaged."""
    once, thrice = table_cells("npo", [FOUND])[1], table_cells("npo", [FOUND] * 3)[1]
    assert ("37.5 [8.5, 75.5]", "37.5 [18.8, 59.4]") == (once, thrice)


def test_the_gateways_row_says_nothing_of_weights():
    """And its sentence says what it promises and costs."""
    cells = dict(zip(COLUMNS, behind_cells("Lethe", [BEHIND]), strict=True))
    assert ("-", "0") == (cells["membership AUC"], cells["gradients"])
    told = loop_words([BEHIND])
    assert all(part in told for part in ("5%", "95%", "2.50", "1.00", "2.0 ms", "11.0 ms", "75.0"))


def test_methods_are_grouped_in_the_order_of_their_first_finding():
    """Whoever comes first."""
    other = replace(FOUND, method="rmu")
    assert {"rmu": [other], "npo": [FOUND, FOUND]} == by_method([other, FOUND, FOUND])
    assert ["rmu", "npo"] == list(by_method([other, FOUND]))


def test_markdown_has_a_cell_for_each_column():
    """In every line."""
    lines = markdown([table_cells("npo", [FOUND])]).splitlines()
    assert [len(COLUMNS) + 1] * 3 == [line.count("|") for line in lines]
