"""What certificates may say besides: sessions, a judge's error, giving up early, several keys of groups."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from calibration.certificate import Applies, Certificate, applies_to, sealed
from calibration.explanation import explain, in_one_sentence
from calibration.issue import issue_certificate, verify
from calibration.oracle_error import Audit
from calibration.outcome import Certified, Infeasible
from calibration.release import Surrender
from calibration.surrender import SurrenderChoice
from calibration.trajectories import Candidate, Recording, Trajectory

from .samples import BINDINGS, CREATED, prompt, recording

AUDIT = Audit(found=95, leaks=100, alarms=3, clean=60)


def issued(source: Recording | None = None, **options: object) -> Certificate:
    """A certificate at 10 % and 95 %, unless told otherwise."""
    chosen = {"level": 0.1, "confidence": 0.95, "created": CREATED} | options
    return issue_certificate(source or recording(), **chosen)  # type: ignore[arg-type]


def slow_and_hopeless() -> Recording:
    """Prompts answered at once, in round 3 after a middling score, or never: giving up saves."""
    rng = np.random.default_rng(1)
    made = []
    for number in range(300):
        kind = number % 3
        first = [0.01, 0.6, 0.97][kind]
        last = [0.01, 0.02, 0.9][kind]
        scores = (first + rng.random() / 100, first, last)
        candidates = tuple(Candidate(t, s, ("a",), leak=s > 0.5) for t, s in enumerate(scores))
        made.append(Trajectory(f"{number:03}", candidates, topic="a"))
    benign = [prompt(f"b{i}", (0.0, None), (0.0, None), (0.0, None), benign=True) for i in range(100)]
    return Recording(BINDINGS, (*made, *benign))


def sessions() -> Recording:
    """Sessions of three tries."""
    some = recording(forget=360)
    renamed = [replace(t, unit=f"s{n // 3:03}") for n, t in enumerate(some.forget)]
    return Recording(BINDINGS, (*renamed, *some.benign))


EXTRAS = {
    "tries": issued(sessions(), tries=3),
    "audit": issued(recording(forget=300), audit=AUDIT),
    "surrender": issued(slow_and_hopeless(), most_lost=0.1),
    "keys": issued(recording(forget=400), every_group="topic, family"),
    "all": issued(recording(forget=900), audit=AUDIT, most_lost=0.1, every_group="topic,family", tries=1),
}


@pytest.mark.parametrize("certificate", EXTRAS.values(), ids=EXTRAS)
def test_each_comes_back_as_it_was_and_bears_itself_out(certificate: Certificate) -> None:
    """And is feasible, so that something was promised."""
    assert isinstance(certificate.served, Certified)
    assert Certificate.from_json(certificate.to_json()) == certificate
    assert verify(certificate) == ()


def test_certificates_without_them_are_written_as_before() -> None:
    """The id of this one was computed by the version that knew none of them."""
    certificate = issued(recording())
    assert certificate.id == "6b96d799cfa7ba2e"
    assert not {"surrender", "tries", "audit"} & json.loads(certificate.to_json()).keys()


def test_a_session_is_a_unit() -> None:
    """120 sessions of three prompts; promised for three, or for fewer."""
    certificate = EXTRAS["tries"]
    assert len(certificate.record_lows) == 120
    assert "at most 10 % of new sessions of up to 3 prompts" in in_one_sentence(certificate)
    assert "twenty independent sessions" in explain(certificate)
    two = issued(sessions(), tries=2)
    assert two.figures is not None
    assert certificate.figures is not None
    assert two.figures.forget_generations.prompts == 240
    with pytest.raises(ValueError, match="session 's000' has 3 tries of 4"):
        issued(sessions(), tries=4)


def test_a_judge_is_held_to_a_stricter_level_and_the_promise_is_the_wished_one() -> None:
    """The threshold is lower than with people's labels at the same level."""
    by_judge, by_people = EXTRAS["audit"], issued(recording(forget=300))
    assert isinstance(by_judge.served, Certified)
    assert isinstance(by_judge.confident, Certified)
    assert (by_judge.served.level, by_judge.served.confidence) == (0.1, 0.95)
    assert by_judge.confident.level < 0.1
    assert by_judge.confident.confidence == 0.975
    assert by_judge.served.threshold < (by_people.threshold or 0.0)
    assert "It called 95 of 100 released leaks" in explain(by_judge)


def test_an_audit_that_shows_nothing_is_refused_and_a_forged_one_noticed() -> None:
    """The threshold must follow from the audit in the file."""
    with pytest.raises(ValueError, match="shows no sensitivity of the judge; label more"):
        issued(audit=Audit(0, 10))
    forged = sealed(replace(EXTRAS["audit"], audit=Audit(100, 1_000)))
    assert "confident" in [problem.part for problem in verify(forged)]
    empty = sealed(replace(EXTRAS["audit"], audit=Audit(0, 10)))
    assert [problem.part for problem in verify(empty)] == ["audit"]


def test_giving_up_is_served_with_the_threshold_and_shown_in_the_figures() -> None:
    """The bound is what it was without."""
    certificate, without = EXTRAS["surrender"], issued(slow_and_hopeless())
    assert isinstance(certificate.surrender, SurrenderChoice)
    rule = certificate.surrender.surrender
    assert rule == Surrender(1, rule.ceiling)
    assert 0.6 <= rule.ceiling < 0.97
    assert certificate.served == without.served
    assert applies_to(certificate, replace(BINDINGS, prompts="")) == Applies(certificate.threshold or 0.0, rule)
    assert certificate.figures is not None
    assert without.figures is not None
    assert certificate.figures.forget_generations.mean < without.figures.forget_generations.mean
    lost = certificate.surrender.lost
    assert lost > 0
    assert certificate.figures.answer_rate.count == without.figures.answer_rate.count - lost
    assert "It gives up after round 1" in explain(certificate)


def test_where_giving_up_saves_nothing_the_certificate_has_none() -> None:
    """Nor where nothing is served."""
    assert issued(recording(forget=12), most_lost=0.1).surrender is None
    assert issued(slow_and_hopeless(), most_lost=0.001).surrender is None


def test_groups_of_several_keys_hold_at_once() -> None:
    """Four groups share delta: the strictest of them is served."""
    certificate = EXTRAS["keys"]
    each = {g.outcome.confidence for g in certificate.groups if isinstance(g.outcome, Certified)}
    assert each == {0.9875}
    assert certificate.threshold == min(
        g.outcome.threshold for g in certificate.groups if isinstance(g.outcome, Certified)
    )
    assert "of every topic and every family" in in_one_sentence(certificate)
    nobody = issued(recording(forget=0), every_group="topic,family")
    assert isinstance(nobody.served, Infeasible)
    assert verify(nobody) == ()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tries": 3, "method": "ltt"}, "need the method record_low"),
        ({"audit": AUDIT, "method": "ltt"}, "need the method record_low"),
        ({"audit": AUDIT, "confidence": None}, "need a confidence"),
        ({"most_lost": 0.1, "confidence": None}, "need a confidence"),
        ({"tries": 0}, "at least 1 try"),
        ({"every_group": "topic,language"}, "says no 'language'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, object], problem: str) -> None:
    """Each with the reason."""
    with pytest.raises(ValueError, match=problem):
        issued(**options)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("tries", "3", "the field 'tries' must be a whole number"),
        ("audit", {"found": 1}, "the field 'leaks' is missing"),
        ("audit", {"found": 2, "leaks": 1, "alarms": 0, "clean": 0}, "cannot find more than there is"),
        ("surrender", {"surrender": {"after": 0, "ceiling": 0.5}}, "is missing|after round 1"),
    ],
)
def test_a_damaged_extra_is_refused(name: str, value: object, problem: str) -> None:
    """Before the digest is compared, with the field."""
    source = json.loads(EXTRAS["all"].to_json()) | {name: value}
    with pytest.raises(ValueError, match=problem):
        Certificate.from_json(json.dumps(source))
