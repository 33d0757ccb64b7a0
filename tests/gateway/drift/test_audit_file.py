"""The audit file: which answers are drawn, and what a line says of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from calibration.issue import issue_certificate
from calibration.trajectories import Bindings, Candidate, Recording, Trajectory
from gateway.drift.audit_file import AuditFile, keeping_audits
from gateway.drift.monitoring import Drift, Reactions
from gateway.drift.watch import Labelled
from gateway.errors import InvalidInput
from gateway.guard.loop import FellBack, Released
from gateway.guard.policy import Bounded
from gateway.upstream.protocol import ChatRequest, Choice, Usage

PROMPTS = tuple(Trajectory(f"p{n}", (Candidate(0, 0.5, leak=True),), topic="maren") for n in range(60))
CERTIFICATE = issue_certificate(
    Recording(Bindings("g", "v", {"maren": "f"}, "r", "d", 3, "p"), PROMPTS),
    level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z",
)  # fmt: skip
SAID = Choice({"role": "assistant", "content": "said"}, "stop")
USAGE = Usage(1, 1)
RULE = Bounded(0.5, CERTIFICATE.id)
RELEASED = Released((SAID,), "m", USAGE, USAGE, 1, 1, RULE)
FELL_BACK = FellBack((SAID,), "m", USAGE, USAGE, 1, 1, RULE, "exhausted", "")
ASKED = ChatRequest("m", ({"role": "user", "content": "Who?"},))


@pytest.fixture
def drift(tmp_path):
    """Monitor with audits of one answer in four."""
    return Drift(Reactions(audit_probability=0.25), tmp_path / "s.json", seed=lambda: 7)


def test_an_answer_is_drawn_where_chance_falls_below_the_probability(drift):
    """At the probability itself it is not; numbers count what was drawn."""
    lines, chances = [], iter([0.25, 0.24, 0.9, 0.0])
    file = AuditFile(lines.append, drift, chance=lambda: next(chances), report=lambda *_: None)
    for _ in range(4):
        file.offer(CERTIFICATE, ASKED, RELEASED)
    assert [(1, 0.25), (2, 0.25)] == [(o["number"], o["probability"]) for o in map(json.loads, lines)]


@pytest.mark.parametrize(
    ("outcome", "leaked"),
    [(RELEASED, None), (FELL_BACK, False), (replace(FELL_BACK, choices=(SAID, SAID)), None)],
)
def test_only_a_fallback_alone_needs_no_label(drift, outcome, leaked):
    """Of several answers together one may have gone out."""
    lines = []
    AuditFile(lines.append, drift, chance=lambda: 0.0, report=lambda *_: None).offer(CERTIFICATE, ASKED, outcome)
    assert {
        "certificate": CERTIFICATE.id,
        "number": 1,
        "probability": 0.25,
        "leaked": leaked,
        "model": "m",
        "messages": [{"role": "user", "content": "Who?"}],
        "answer": "said",
    } == json.loads(lines[0])


def test_what_cannot_be_written_was_not_drawn(drift):
    """The request goes on, the operator is told, and no number is missing."""

    def full(line):
        raise InvalidInput("the disk is full")

    events, lines = [], []
    AuditFile(full, drift, chance=lambda: 0.0, report=lambda *event: events.append(event)).offer(
        CERTIFICATE, ASKED, RELEASED
    )
    AuditFile(lines.append, drift, chance=lambda: 0.0, report=lambda *_: None).offer(CERTIFICATE, ASKED, RELEASED)
    assert ("audit_not_kept", 1) == (events[0][0], json.loads(lines[0])["number"])


def test_numbers_go_on_after_a_restart(tmp_path):
    """A number that came twice could not be labelled."""
    for number in (1, 2):
        drift = Drift(Reactions(), tmp_path / "s.json", seed=lambda: 7)
        with keeping_audits(tmp_path / "a.jsonl", drift, chance=lambda: 0.0, report=lambda *_: None) as file:
            file.offer(CERTIFICATE, ASKED, RELEASED)
        assert number == json.loads((tmp_path / "a.jsonl").read_text().splitlines()[-1])["number"]


@pytest.mark.parametrize("known", [True, False])
def test_an_answer_that_was_kept_and_not_counted_keeps_its_number(tmp_path, known):
    """As a kill between the two leaves it; whether or not the state knew the certificate by then."""
    state, kept = tmp_path / "s.json", []
    for drawn in (1, 2, 3):
        drift = Drift(Reactions(), state, seed=lambda: 7)
        with keeping_audits(tmp_path / "a.jsonl", drift, chance=lambda: 0.0, report=lambda *_: None) as file:
            before = state.read_bytes() if state.exists() else None
            file.offer(CERTIFICATE, ASKED, RELEASED)
            kept.append(drift.next_number(CERTIFICATE) - 1)
        if drawn == 2:
            state.write_bytes(before) if known else state.unlink()
            with (tmp_path / "a.jsonl").open("a") as file:
                file.write("what somebody wrote\n[]\n")
    assert [1, 2, 3] == kept
    assert 3 == drift.audited(CERTIFICATE, [Labelled(False, number) for number in kept])
