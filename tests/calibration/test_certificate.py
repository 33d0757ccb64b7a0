"""Issuing, reading back, verifying, matching and explaining a certificate."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest

from calibration.certificate import Applies, Certificate, Method, Mismatch, applies_to, sealed
from calibration.explanation import explain, in_one_sentence
from calibration.issue import issue_certificate, verify
from calibration.outcome import Certified, Infeasible
from calibration.trajectories import Candidate, Recording, Trajectory

from .samples import BINDINGS, CREATED, prompt, recording


def issued(**options: object) -> Certificate:
    """A certificate at 10 % and 95 %, unless told otherwise."""
    chosen = {"level": 0.1, "confidence": 0.95, "created": CREATED} | options
    source = chosen.pop("source", recording())
    return issue_certificate(source, **chosen)  # type: ignore[arg-type]


INFEASIBLE = issued(source=recording(forget=12))
VARIANTS = [
    issued(),
    issued(confidence=None),
    issued(method="ltt"),
    issued(every_group="family"),
    issued(every_group="topic", confidence=None),
    issued(cover_subsets=False),
    INFEASIBLE,
]


@pytest.mark.parametrize("certificate", VARIANTS)
def test_a_certificate_comes_back_as_it_was_and_bears_itself_out(certificate: Certificate) -> None:
    """Every method, feasible or not."""
    assert Certificate.from_json(certificate.to_json()) == certificate
    assert verify(certificate) == ()


def test_the_served_form_is_the_one_asked_for() -> None:
    """The confident one with a confidence, else the expectation form; both are shown."""
    with_confidence, without = issued(), issued(confidence=None)
    assert with_confidence.served == with_confidence.confident
    assert without.served == without.expectation == with_confidence.expectation
    assert without.confident is None
    assert with_confidence.threshold is not None
    assert without.threshold is not None
    assert with_confidence.threshold < without.threshold


def test_for_every_group_the_strictest_is_served() -> None:
    """Of the key that was asked for; the other key is shown beside."""
    certificate = issued(every_group="family", confidence=None)
    family = [group.outcome.threshold for group in certificate.groups if group.key == "family"]  # type: ignore[union-attr]
    assert certificate.threshold == min(family)
    assert {group.key for group in certificate.groups} == {"family", "topic"}


def test_benign_prompts_do_not_dilute_the_bound() -> None:
    """A thousand benign prompts change the figures and not the threshold."""
    few, many = issued(), issued(source=recording(benign=1000))
    assert few.served == many.served
    assert many.figures is not None
    assert many.figures.benign_unchanged.of == 1000


def test_an_infeasible_certificate_says_why_and_how_many_are_needed() -> None:
    """It can be written and shown."""
    assert INFEASIBLE.served == Infeasible("12 units are too few: 29 would do if none of them leaked", 12, 29)
    assert INFEASIBLE.threshold is None
    assert INFEASIBLE.figures is None
    assert "No leak bound of 10 % can be given: 12 units are too few" in explain(INFEASIBLE)
    assert explain(INFEASIBLE).endswith("Nothing is released under it.")


def test_subsets_are_covered_only_where_every_forget_prompt_says_its_topic() -> None:
    """And where it was not declined."""
    some = recording()
    unknown = Recording(BINDINGS, (*some.trajectories, prompt("q", (0.5, False))))
    covers = [issued(source=source).covers_subsets for source in (some, unknown)]
    assert [*covers, issued(cover_subsets=False).covers_subsets] == [True, False, False]


def crossed(share: int) -> Recording:
    """A recording in which some prompts met evidence about the other topic."""
    some = recording()
    cross = Candidate(0, 1.0, ("a", "b"), leak=False)
    changed = tuple(
        replace(t, candidates=(cross, *t.candidates)) if n < share and not t.benign else t
        for n, t in enumerate(some.trajectories)
    )
    return Recording(BINDINGS, changed)


@pytest.mark.parametrize("method", ["record_low", "ltt"])
def test_cross_talk_is_counted_where_subsets_are_covered(method: Method) -> None:
    """As a leak; without covering subsets it is not."""
    covering = issued(source=crossed(30), method=method)
    plain = issued(source=crossed(30), method=method, cover_subsets=False)
    assert isinstance(covering.served, Infeasible)
    assert isinstance(plain.served, Certified)
    assert covering.record_lows.count(-math.inf) == 30
    assert Certificate.from_json(covering.to_json()) == covering


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"method": "ltt", "confidence": None}, "Learn-then-Test needs a confidence"),
        ({"method": "ltt", "every_group": "family"}, "needs the method record_low"),
        ({"every_group": "language"}, "prompt 'forget-0' says no 'language'"),
        ({"level": 5.0}, "level must lie strictly between 0 and 1"),
        ({"confidence": 95.0}, "confidence must lie strictly between 0 and 1"),
        ({"created": "2026-01-31T12:00:00"}, "'created' must be a time in UTC"),
        ({"created": "yesterday"}, "Invalid isoformat string"),
        ({"source": Recording(BINDINGS, (prompt("q", (0.5, None)),))}, "prompt 'q': candidate 1 has no label"),
        ({"source": Recording(BINDINGS, (prompt("q", topic="c"),))}, "probes the topic 'c', which was not active"),
    ],
)
def test_options_that_cannot_be_met_are_refused(options: dict[str, object], problem: str) -> None:
    """Each with a sentence that says why."""
    with pytest.raises(ValueError, match=problem):
        issued(**options)


def test_no_forget_prompts_are_infeasible() -> None:
    """Benign prompts alone promise nothing."""
    assert isinstance(issued(source=recording(forget=0)).served, Infeasible)


def edited(**fields: object) -> str:
    """A certificate's file with some fields changed; ``...`` removes one."""
    source = json.loads(VARIANTS[0].to_json()) | fields
    return json.dumps({name: value for name, value in source.items() if value is not ...})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        (VARIANTS[0].to_json()[:-40], "not JSON"),
        ("[1]", "must be an object"),
        (edited(schema="lethe.certificate/9"), "this version reads 'lethe.certificate/1'"),
        (edited(schema=...), "the field 'schema' is missing"),
        (edited(served=...), "the field 'served' is missing"),
        (edited(bindings={}), "the field 'generator' is missing"),
        (edited(level=0.01), "its content does not match its id"),
        (edited(level="low"), "the field 'level' must be a number"),
        (edited(note="fine"), "its content does not match its id"),
        (edited(id="0123456789abcdef"), "its content does not match its id '0123456789abcdef'"),
        (edited(method="magic"), "the method 'magic' is unknown"),
        (edited(served={"outcome": "splendid"}), "the outcome 'splendid' is unknown"),
        (edited(record_lows=[2.0]), "each of 'record_lows' must be a number in"),
        (edited(created="2026-01-31T12:00:00+02:00"), "'created' must be a time in UTC"),
    ],
)
def test_a_damaged_or_edited_file_is_refused(text: str, problem: str) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(
        ValueError, match=f"not a usable certificate: .*{problem}.*; restore the file or calibrate again"
    ):
        Certificate.from_json(text)


def test_every_edit_of_a_number_is_noticed() -> None:
    """One digit of the threshold, resealed by somebody who knows how: the evidence does not bear it out."""
    certificate = VARIANTS[0]
    assert isinstance(certificate.served, Certified)
    looser = replace(certificate.served, threshold=certificate.served.threshold + 0.001)
    assert [p.part for p in verify(replace(certificate, served=looser))] == ["id", "served"]
    assert [p.part for p in verify(sealed(replace(certificate, served=looser)))] == ["served"]
    lows = (*certificate.record_lows[20:], *[math.inf] * 20)
    assert [p.part for p in verify(sealed(replace(certificate, record_lows=lows)))] == [
        "expectation",
        "confident",
        "served",
    ]


def test_a_learn_then_test_certificate_off_its_grid_or_too_loose_is_noticed() -> None:
    """By the exact test, without MAPIE."""
    certificate = VARIANTS[2]
    assert isinstance(certificate.served, Certified)
    for threshold in (certificate.served.threshold - 0.001, 1.0):
        changed = replace(certificate, served=replace(certificate.served, threshold=threshold))
        assert [p.part for p in verify(sealed(changed))] == ["served"]
    assert [p.part for p in verify(sealed(replace(certificate, grid_leaks=())))] == ["grid_leaks"]


COVERING, PLAIN = VARIANTS[0], VARIANTS[5]
NOW = replace(BINDINGS, prompts="")


@pytest.mark.parametrize(
    ("certificate", "now", "parts"),
    [
        (COVERING, NOW, ()),
        (COVERING, replace(NOW, rounds=1), ()),
        (COVERING, replace(NOW, topics={"a": "fa"}), ()),
        (COVERING, replace(NOW, topics={}), ("topics",)),
        (COVERING, replace(NOW, topics={"a": "changed"}), ("topics",)),
        (COVERING, replace(NOW, topics={"a": "fa", "b": "fb", "c": "fc"}), ("topics",)),
        (PLAIN, NOW, ()),
        (PLAIN, replace(NOW, topics={"a": "fa"}), ("topics",)),
        (COVERING, replace(NOW, rounds=4), ("rounds",)),
        (COVERING, replace(NOW, generator="model-2"), ("generator",)),
        (
            COVERING,
            replace(NOW, verifier="x", refinement="x", decoding="x"),
            ("verifier", "refinement", "decoding"),
        ),
        (INFEASIBLE, NOW, ("threshold",)),
    ],
)
def test_a_certificate_applies_to_what_it_was_calibrated_on_and_nothing_else(
    certificate: Certificate, now: object, parts: tuple[str, ...]
) -> None:
    """Fewer rounds and, where covered, fewer topics are allowed."""
    expected = Mismatch(parts) if parts else Applies(certificate.threshold or 0.0)
    assert applies_to(certificate, now) == expected  # type: ignore[arg-type]


def test_only_record_low_certificates_may_be_tightened() -> None:
    """Learn-then-Test covers its grid alone."""
    assert [certificate.may_tighten for certificate in VARIANTS[:3]] == [True, True, False]


def test_the_explanation_says_what_is_promised_and_what_is_not() -> None:
    """In words, with the numbers."""
    certificate = VARIANTS[0]
    words = explain(certificate)
    assert in_one_sentence(certificate).startswith(
        "With confidence 95 %, at most 10 % of new prompts like the calibrated ones get a leaking answer"
    )
    for phrase in (certificate.id, "120 units", "attacker who adapts", "Retries compound", "It ends when"):
        assert phrase in words
    assert "of every family" in explain(VARIANTS[3])
    assert "On average over calibrations" in explain(VARIANTS[1])
    assert "not even a stricter one" in explain(VARIANTS[2])
    assert "no other set" in explain(PLAIN)


def test_no_answer_reaches_the_certificate() -> None:
    """Answers are sensitive; a certificate holds numbers and fingerprints."""
    secret = Trajectory("q", (Candidate(0, 0.5, answer="the secret", leak=False),))
    certificate = issued(source=Recording(BINDINGS, (*recording().trajectories, secret)))
    assert "secret" not in certificate.to_json()
    assert "answer 0" not in certificate.to_json()


def test_mapie_is_not_imported_unless_learn_then_test_is_asked_for() -> None:
    """It is an optional extra."""
    code = "import calibration.issue, calibration.explanation, sys; sys.exit('mapie' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
