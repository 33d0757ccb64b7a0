"""`lethe certificate report` from the command line."""

from __future__ import annotations

import json
import stat

import pytest

from calibration.issue import issue_certificate
from calibration.trajectory_file import header_line, labels_line, trajectory_line
from tests.calibration.samples import CREATED, recording


@pytest.fixture
def recorded(terminal):
    """A certificate with its trajectories beside it, and labels on their own."""
    made = recording()
    certificate = issue_certificate(made, level=0.1, confidence=0.9, created=CREATED)
    terminal.write("certificate.json", certificate.to_json())
    terminal.write("t.jsonl", header_line(made.bindings) + "".join(map(trajectory_line, made.trajectories)))
    terminal.write("labels.jsonl", "".join(map(labels_line, made.trajectories)))
    return terminal


def test_a_certificate_alone_gives_a_page(recorded):
    """Written where it was asked for."""
    said = recorded.done("certificate report {certificate.json} --out {page.html}")
    assert said.startswith("With confidence 90 %")
    assert "<!DOCTYPE html>" in (recorded.folder / "page.html").read_text()


def test_with_trajectories_there_is_more_and_the_same_as_json(recorded):
    """Both readable by their owner alone."""
    recorded.done(
        "certificate report {certificate.json} --trajectories {t.jsonl} --labels {labels.jsonl} --out {p.html} "
        "--json {p.json}"
    )
    assert (
        120
        == sum(json.loads((recorded.folder / "p.json").read_text())["replayed"]["forget_rounds"]["released"])
        + (json.loads((recorded.folder / "p.json").read_text())["replayed"]["forget_rounds"]["fallback"])
    )
    modes = {stat.S_IMODE((recorded.folder / name).stat().st_mode) for name in ("p.html", "p.json")}
    assert {0o600} == modes


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("certificate report {none.json} --out {p.html}", "cannot read the certificate"),
        ("certificate report {t.jsonl} --out {p.html}", "not a usable certificate"),
        ("certificate report {certificate.json} --with-texts --out {p.html}", "give --trajectories too"),
        ("certificate report {certificate.json} --trajectories {none} --out {p.html}", "No such file"),
        ("certificate report {certificate.json} --trajectories {people.csv} --out {p.html}", "line 1"),
        ("certificate report {certificate.json} --out {none/p.html}", "cannot write"),
    ],
)
def test_what_cannot_be_reported_on_is_refused_in_one_line(recorded, command, words):
    """And no page is left behind."""
    assert words in recorded.refused(command)
    assert not (recorded.folder / "p.html").exists()


def test_a_page_that_was_there_is_replaced_whole(recorded):
    """By one that only its owner may read."""
    recorded.write("page.html", "old")
    (recorded.folder / "page.html").chmod(0o644)
    recorded.done("certificate report {certificate.json} --out {page.html}")
    assert 0o600 == stat.S_IMODE((recorded.folder / "page.html").stat().st_mode)
    assert ["page.html"] == [path.name for path in recorded.folder.glob("*page*")]
