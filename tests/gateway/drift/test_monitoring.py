"""Monitoring drift: what rings, what an alarm does to the rule, and that no restart or kill forgets it."""

from __future__ import annotations

import json
import stat
from dataclasses import replace

import pytest

from calibration.certificate import sealed
from calibration.drift import Scores, after_score
from calibration.issue import issue_certificate
from calibration.release import Surrender
from calibration.trajectories import Bindings, Candidate, Recording, Trajectory
from gateway.drift.monitoring import Drift, Reactions
from gateway.drift.state import read_watches, state_path
from gateway.drift.watch import Labelled
from gateway.errors import InvalidInput
from gateway.guard.policy import Bounded, Closed

PROMPTS = tuple(Trajectory(f"p{n}", (Candidate(0, 0.5, leak=True),), topic="maren") for n in range(60))
CERTIFICATE = issue_certificate(
    Recording(Bindings("g", "v", {"maren": "f"}, "r", "d", 3, "p"), PROMPTS),
    level=0.1, confidence=0.95, created="2026-01-31T12:00:00Z",
)  # fmt: skip
ANOTHER = sealed(replace(CERTIFICATE, created="2026-02-01T12:00:00Z"))
STREAMED = sealed(replace(CERTIFICATE, bindings=replace(CERTIFICATE.bindings, streamed=True)))
ELSEWHERE = sealed(replace(CERTIFICATE, bindings=replace(CERTIFICATE.bindings, generator="h")))
RULE = Bounded(0.5, CERTIFICATE.id, Surrender(1, 0.7))


@pytest.fixture
def made(tmp_path):
    """Make monitors over a state file, and keep what they report."""
    events = []

    def make(**reactions):
        path = state_path(tmp_path / "lethe.db")
        drift = Drift(Reactions(**reactions), path, seed=lambda: 7, report=lambda *event: events.append(event))
        drift.follow([CERTIFICATE])
        return drift

    make.events = events
    make.path = state_path(tmp_path / "lethe.db")
    return make


def ring_scores(drift):
    """Quiet scores, then loud ones, until the alarm: says after how many."""
    scores = [0.1] * 60 + [0.9] * 200
    for number, score in enumerate(scores, start=1):
        drift.saw(CERTIFICATE, score)
        if drift.alarm("scores"):
            return number
    return None


def ring_audits(drift):
    """Send leaks until the alarm: says after how many."""
    return next(n for n in range(1, 100) if drift.audited(CERTIFICATE, [Labelled(True)]) and drift.alarm("audits"))


def test_the_monitor_is_the_one_that_is_proved(made):
    """Nothing between the scores and the martingale of theorem 13."""
    drift, expected = made(delta=0.2), Scores(7, 0.2)
    for score in [0.0, 0.5, 0.3, 1.0, 0.0]:
        drift.saw(CERTIFICATE, score)
        expected = after_score(expected, score)
    assert expected.wealth.log == drift.log_wealth("scores")


@pytest.mark.parametrize(
    ("reaction", "expected"),
    [("warn", RULE), ("tighten", Bounded(0.25, CERTIFICATE.id, Surrender(1, 0.7))), ("fall_back", Closed)],
)
def test_an_alarm_of_the_scores_does_what_was_set(made, reaction, expected):
    """Once, in the log, in words, and in the rule of its certificate alone."""
    drift = made(on_scores=reaction)
    assert RULE == drift.rule(CERTIFICATE, RULE)
    assert ring_scores(drift) is not None
    decided = drift.rule(CERTIFICATE, RULE)
    assert expected in (decided, type(decided))
    drift.saw(CERTIFICATE, 0.9)
    event = {"monitor": "scores", "certificate": CERTIFICATE.id, "action": reaction}
    assert [("drift_alarm", event)] == made.events
    assert ("calibrate again" in drift.notes()["scores"], drift.notes()["audits"]) == (True, "")
    assert RULE == drift.rule(ANOTHER, RULE)


def test_a_threshold_that_may_not_be_tightened_falls_back(made):
    """Learn-then-Test covers what it tested alone."""
    drift = made(on_scores="tighten")
    ring_scores(drift)
    assert isinstance(drift.rule(replace(CERTIFICATE, method="ltt"), RULE), Closed)


@pytest.mark.parametrize(("reaction", "expected"), [("warn", Bounded), ("fall_back", Closed)])
def test_audits_that_leak_too_often_do_what_was_set(made, reaction, expected):
    """Whatever is set for the scores."""
    drift = made(on_audits=reaction, on_scores="tighten")
    assert 1 < ring_audits(drift) < 30
    assert expected is type(drift.rule(CERTIFICATE, RULE))
    assert made.events[0][1]["monitor"] == "audits"


def test_audits_are_held_to_the_certificates_own_level(made):
    """One leak in twelve is within 10 %, and rings against 1 %."""
    strict = sealed(replace(CERTIFICATE, level=0.01))
    drift = made()
    drift.follow([CERTIFICATE, strict])
    labels = [Labelled(n % 12 == 0) for n in range(120)]
    drift.audited(CERTIFICATE, labels)
    assert not drift.alarm("audits")
    drift.audited(strict, labels)
    assert drift.alarm("audits")


def test_an_alarm_ends_with_its_certificate(made):
    """Another certificate in force is a new beginning; the old one comes back with its alarm."""
    drift = made(on_scores="fall_back")
    ring_scores(drift)
    drift.follow([ANOTHER])
    assert (False, 0.0, "") == (drift.alarm("scores"), drift.log_wealth("scores"), drift.notes()["scores"])
    drift.follow([CERTIFICATE])
    assert isinstance(drift.rule(CERTIFICATE, RULE), Closed)


@pytest.mark.parametrize("ring", [ring_scores, ring_audits])
def test_an_alarm_closes_the_way_beside_and_no_other_models(made, ring):
    """Who is refused a whole answer could ask for a streamed one: both promise something of the same prompts."""
    drift = made(on_scores="fall_back")
    drift.follow([CERTIFICATE, STREAMED, ELSEWHERE])
    ring(drift)
    assert [Closed, Closed, Bounded] == [type(drift.rule(one, RULE)) for one in (CERTIFICATE, STREAMED, ELSEWHERE)]
    assert 1 == len(made.events)


def test_an_alarm_beside_outlives_the_process_and_the_certificate_that_rang(made):
    """Until this one is replaced as well: it is as old. One put in force afterwards begins anew."""
    drift = made(on_scores="fall_back")
    drift.follow([CERTIFICATE, STREAMED])
    ring_scores(drift)
    later = made(on_scores="fall_back")
    later.follow([ANOTHER, STREAMED])
    assert [Bounded, Closed] == [type(later.rule(one, RULE)) for one in (ANOTHER, STREAMED)]
    assert (True, 0.0) == (later.alarm("scores"), later.log_wealth("scores"))
    later.follow([CERTIFICATE, replace(STREAMED, id="newer")])
    assert isinstance(later.rule(replace(STREAMED, id="newer"), RULE), Bounded)


def test_a_state_from_before_there_were_alarms_beside_is_read(made):
    """Nothing rang beside then, as far as anybody noted."""
    ring_scores(made(on_scores="fall_back"))
    state = json.loads(made.path.read_text())
    for watch in state["certificates"].values():
        del watch["beside"]
    made.path.write_text(json.dumps(state))
    assert isinstance(made(on_scores="fall_back").rule(CERTIFICATE, RULE), Closed)


def test_an_alarm_outlives_a_killed_process(made):
    """It is written when it rings, without an orderly end, for the owner alone."""
    ring_scores(made(on_scores="fall_back"))
    assert isinstance(made(on_scores="fall_back").rule(CERTIFICATE, RULE), Closed)
    assert 0o600 == stat.S_IMODE(made.path.stat().st_mode)


def test_quiet_scores_go_on_after_an_orderly_end(made):
    """And a gateway that saw nothing writes nothing."""
    made().save()
    assert not made.path.exists()
    drift = made()
    for _ in range(5):
        drift.saw(CERTIFICATE, 0.3)
    drift.save()
    again = made()
    assert drift.log_wealth("scores") == again.log_wealth("scores")
    assert 5 == sum(read_watches(made.path)[CERTIFICATE.id].scores.counts)


def test_scores_are_written_now_and_then(made):
    """A killed process forgets a thousand at most."""
    drift = made()
    for _ in range(999):
        drift.saw(CERTIFICATE, 0.0)
    assert not made.path.exists()
    drift.saw(CERTIFICATE, 0.0)
    assert 1000 == sum(read_watches(made.path)[CERTIFICATE.id].scores.counts)


def test_another_process_does_not_write_over_an_alarm(made):
    """Each has monitors of its own over one file; a fresh one finds the alarm of either."""
    quiet, loud = made(), made(on_scores="fall_back")
    ring_scores(loud)
    quiet.saw(CERTIFICATE, 0.1)
    quiet.save()
    assert isinstance(made(on_scores="fall_back").rule(CERTIFICATE, RULE), Closed)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "lethe.drift/1", "certificates": {"c": {}}}'])
def test_a_damaged_state_is_an_error(made, text):
    """To begin anew would forget an alarm."""
    made.path.write_text(text)
    with pytest.raises(InvalidInput, match="drift monitors"):
        made()


def test_a_state_that_cannot_be_written_is_told_and_serving_goes_on(made):
    """A full disk is no reason to fail a request."""
    drift = made()
    drift.saw(CERTIFICATE, 0.1)
    made.path.parent.joinpath("lethe.db.drift.json").mkdir()
    drift.save()
    assert ["drift_state_not_saved"] == [event for event, _ in made.events]


def drawing(made, count):
    """Draw so many audits."""
    drift = made()
    for _ in range(count):
        drift.drew(CERTIFICATE)
    return drift


def test_labels_may_come_again_and_count_once(made):
    """A file that is sent whole each time, with more labels each time."""
    drift = drawing(made, 3)
    first = [Labelled(False, 1), Labelled(True, 2)]
    assert [2, 1, 0] == [
        drift.audited(CERTIFICATE, first),
        drift.audited(CERTIFICATE, [*first, Labelled(False, 3)]),
        drift.audited(CERTIFICATE, [*first, Labelled(False, 3)]),
    ]
    assert 3 == json.loads(made.path.read_text())["certificates"][CERTIFICATE.id]["audits"]["wealth"]["bets"]


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ([Labelled(False, 1), Labelled(False, 3)], "before audit 2"),
        ([Labelled(False, 1), Labelled(False, 2), Labelled(False, 3), Labelled(False, 4)], "4 was not drawn"),
        ([Labelled(False, 1), Labelled(False, 2, 0.001)], "probability"),
    ],
)
def test_labels_that_leave_one_out_are_refused_as_a_whole(made, labels, complaint):
    """Who leaves out the hard ones would hide a drift."""
    drift = drawing(made, 3)
    with pytest.raises(InvalidInput, match=complaint):
        drift.audited(CERTIFICATE, labels)
    assert 1 == drift.audited(CERTIFICATE, [Labelled(False, 1)])


def test_the_probability_of_an_audit_is_never_below_the_one_at_the_beginning(made):
    """The weights of the monitor rest on it."""
    drift = drawing(made, 1)
    assert 0.01 == drift.probability(CERTIFICATE)
    assert [0.01, 0.5] == [made(audit_probability=p).probability(CERTIFICATE) for p in (0.001, 0.5)]


def test_a_smaller_delta_judges_the_evidence_so_far(made):
    """Which was set without looking at it; a setting that is changed counts from the next start on."""
    ring_scores(made(delta=0.1, on_scores="fall_back"))
    assert not made(delta=1e-9).alarm("scores")
