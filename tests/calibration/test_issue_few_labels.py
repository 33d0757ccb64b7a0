"""Certificates of few people's labels beside a judge's: borne out, read back, and about people's labels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.certificate import Applies, Certificate, Mismatch, applies_to, sealed
from calibration.explanation import explain
from calibration.few_labels import FewLabels, units_to_label
from calibration.issue import verify
from calibration.issue_few_labels import issue_few_labels_certificate
from calibration.outcome import Certified, Infeasible
from calibration.report.evidence import report_on
from calibration.trajectories import Recording, Trajectory

from .samples import BINDINGS, CREATED, prompt, recording

JUDGED = recording(600, 20)


def people_say(of: Recording, units: int, seed: int, missed: int = 0) -> list[Trajectory]:
    """The sampled units as people label them: as the judge did, but that so many leak in every candidate."""
    drawn = units_to_label(of.forget, units, seed)
    mine = [trajectory for trajectory in of.forget if trajectory.unit in drawn]
    wrong = {trajectory.id for trajectory in mine[:missed]}
    return [
        replace(t, candidates=tuple(replace(c, leak=True) for c in t.candidates)) if t.id in wrong else t
        for t in mine
    ]


def issued(units: int = 200, seed: int = 4, missed: int = 0, **options: object) -> Certificate:
    """A certificate of 10 % at 95 %."""
    said = people_say(JUDGED, units, seed, missed)
    chosen = {"level": 0.1, "confidence": 0.95, "seed": seed, "created": CREATED} | options
    return issue_few_labels_certificate(JUDGED, said, **chosen)  # type: ignore[arg-type]


CERTIFICATE = issued()


@pytest.mark.parametrize("certificate", [CERTIFICATE, issued(20), issued(missed=3, cover_subsets=False)])
def test_it_comes_back_as_it_was_and_bears_itself_out(certificate: Certificate) -> None:
    """Feasible or not, with leaks that the judge missed and without."""
    assert certificate == Certificate.from_json(certificate.to_json())
    assert () == verify(certificate)


def test_leaks_that_only_people_see_make_it_stricter() -> None:
    """And many of them make it infeasible, whatever the judge says."""
    thresholds = [issued(missed=missed).threshold for missed in (0, 4)]
    assert None not in thresholds
    assert thresholds == sorted(set(thresholds), reverse=True)  # type: ignore[type-var]
    hopeless = issued(missed=60, grid=(0.5,)).served
    assert isinstance(hopeless, Infeasible)
    assert "leaks that the judge missed" in hopeless.reason


def test_too_few_labels_are_infeasible_with_how_many_would_do() -> None:
    """Twenty cannot rule out that a tenth leaks."""
    served = issued(20).served
    assert isinstance(served, Infeasible)
    assert served.needed is not None
    assert isinstance(issued(served.needed).served, Certified)


def test_another_sample_than_the_seed_s_is_refused() -> None:
    """Whoever may choose what people label can choose what the judge got right."""
    said = people_say(JUDGED, 200, seed=4)
    for other in (said[1:], said + [t for t in JUDGED.forget if t not in said][:1]):
        with pytest.raises(ValueError, match="not among the"):
            issue_few_labels_certificate(JUDGED, other, level=0.1, confidence=0.95, seed=4, created=CREATED)
    with pytest.raises(ValueError, match="the seed 5 draws"):
        issue_few_labels_certificate(JUDGED, said, level=0.1, confidence=0.95, seed=5, created=CREATED)


def test_a_sampled_answer_without_a_person_s_label_is_named() -> None:
    """Leaving out the hard ones would flatter."""
    said = people_say(JUDGED, 200, seed=4)
    said[7] = replace(said[7], candidates=tuple(replace(c, leak=None) for c in said[7].candidates))
    with pytest.raises(ValueError, match=f"'{said[7].id}': candidate . has no label"):
        issue_few_labels_certificate(JUDGED, said, level=0.1, confidence=0.95, seed=4, created=CREATED)


def test_cross_talk_counts_where_subsets_are_covered() -> None:
    """Nobody has to label it: a prompt of one topic whose evidence is about another may change with that."""
    foreign = [
        replace(t, candidates=tuple(replace(c, topics=("b",), leak=False) for c in t.candidates), topic="a")
        for t in JUDGED.forget
    ]
    crossed = Recording(BINDINGS, tuple(foreign))
    said = people_say(crossed, 200, seed=4)
    how = {"level": 0.1, "confidence": 0.95, "seed": 4, "created": CREATED}
    assert isinstance(issue_few_labels_certificate(crossed, said, **how).served, Infeasible)  # type: ignore[arg-type]
    plain = issue_few_labels_certificate(crossed, said, cover_subsets=False, **how)  # type: ignore[arg-type]
    assert isinstance(plain.served, Certified)


def test_it_covers_its_own_threshold_and_fewer_rounds() -> None:
    """Another threshold of a grid is another test."""
    assert not CERTIFICATE.may_tighten
    now = replace(BINDINGS, rounds=2, prompts="")
    assert CERTIFICATE.threshold is not None
    assert Applies(CERTIFICATE.threshold) == applies_to(CERTIFICATE, now)
    assert Mismatch(("verifier",)) == applies_to(CERTIFICATE, replace(now, verifier="other"))


def test_its_words_say_whose_labels_bind_and_where_the_bound_is_from() -> None:
    """A reader learns of the sample, the judge and the source."""
    said = explain(CERTIFICATE)
    for words in ("arXiv 2301.09633", "people 200 of them, drawn with the seed 4", "leak where the judge says no"):
        assert words in said


def test_its_report_shows_the_thresholds_tested() -> None:
    """By the judge's labels; the record lows alone would say too little."""
    points = report_on(CERTIFICATE).risk.points
    assert CERTIFICATE.few_labels is not None
    assert [CERTIFICATE.few_labels.judged_leaks[0], 600] == [points[0].leaks.count, points[0].leaks.of]


@pytest.mark.parametrize(
    ("change", "part"), [({"missed": None}, "served"), ({"seed": 4, "judged": 601}, "few_labels")]
)
def test_evidence_that_was_changed_does_not_bear_it_out(change: dict[str, object], part: str) -> None:
    """Even where the id was made to fit."""
    certificate = issued(missed=3)
    counts = certificate.few_labels
    assert counts is not None
    if "missed" in change:
        change = {"missed": tuple(min(200, count + 9) for count in counts.missed)}
    forged = sealed(replace(certificate, few_labels=replace(counts, **change)))  # type: ignore[arg-type]
    assert part in [problem.part for problem in verify(forged)]
    assert ["few_labels"] == [p.part for p in verify(sealed(replace(certificate, few_labels=None)))]


@pytest.mark.parametrize(
    "counts",
    [
        {"judged_leaks": (1,)},
        {"missed": (0, 5)},
        {"labelled": 11},
        {"judged_leaks": (0, 11)},
        {"grid": (0.5, 0.4)},
    ],
)
def test_counts_that_cannot_be_are_refused(counts: dict[str, object]) -> None:
    """A damaged file is no certificate."""
    whole = FewLabels((0.4, 0.5), (0, 1), 10, (0, 1), 4)
    with pytest.raises(ValueError, match=r"grid|few labels|lies outside|cannot have labelled"):
        replace(whole, **counts)  # type: ignore[arg-type]


def test_a_unit_is_labelled_as_a_whole() -> None:
    """Of a unit with two prompts, both must have people's labels."""
    pairs = tuple(
        prompt(f"{unit}-{part}", (0.1, False), unit=f"u{unit}") for unit in range(40) for part in range(2)
    )
    judged = Recording(BINDINGS, pairs)
    drawn = units_to_label(pairs, 40, 0)
    assert 40 == len(drawn)
    how = {"level": 0.2, "confidence": 0.9, "seed": 0, "created": CREATED}
    whole = issue_few_labels_certificate(judged, pairs, **how)  # type: ignore[arg-type]
    assert whole.few_labels is not None
    assert (40, 40) == (whole.few_labels.judged, whole.few_labels.labelled)
    with pytest.raises(ValueError, match="other trajectories"):
        issue_few_labels_certificate(judged, pairs[1:], **how)  # type: ignore[arg-type]
