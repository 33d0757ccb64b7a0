"""The report: its numbers against numbers counted by hand, and a page that nothing can break out of."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from calibration.answered import Rate, clopper_pearson, rate
from calibration.certificate import Certificate, sealed
from calibration.issue import issue_certificate
from calibration.issue_joint import issue_joint_certificate
from calibration.joint import Limits
from calibration.report.evidence import report_on
from calibration.report.findings import Report, RoundsTaken, ScoreBin
from calibration.report.markup import element, joined
from calibration.report.page import page
from calibration.report.plane import Plane
from calibration.trajectories import Bindings, Recording
from tests.calibration.samples import BINDINGS, CREATED, prompt, recording

EVIL = "<script>alert('1')</script>\"&\u202e"
"""What a topic, a group, an id or an answer could be called by somebody who means ill."""


def hand_made() -> Recording:
    """Five forget prompts in four units and two groups, and two benign prompts, all countable by hand."""
    return Recording(
        replace(BINDINGS, topics={"a": "fa"}),
        (
            prompt("q1", (0.9, True), (0.1, False), unit="u1", topic="a", groups={"family": "direct"}),
            prompt("q2", (0.3, False), unit="u1", topic="a", groups={"family": "reverse"}),
            prompt(
                "q3", (0.8, True), (0.7, True), (0.6, False), unit="u2", topic="a", groups={"family": "direct"}
            ),
            prompt("q4", (0.2, True), unit="u3", topic="a", groups={"family": "reverse"}),
            prompt("q5", (0.95, True), (0.85, True), unit="u4", topic="a", groups={"family": "direct"}),
            prompt("b1", (0.0, None), benign=True),
            prompt("b2", (0.9, None), (0.0, None), benign=True),
        ),
    )


def hand_made_report(**options: object) -> Report:
    """Promise 40 % on average, for which the threshold is the second lowest of the record lows, 0.7."""
    certificate = issue_certificate(hand_made(), level=0.4, confidence=None, created=CREATED)
    return report_on(certificate, hand_made(), **options)  # type: ignore[arg-type]


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and whatever it would fetch."""
        self.names.append(tag)
        self.addresses += [str(value) for name, value in attrs if name in ("src", "href", "data", "action")]

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data


def test_the_record_lows_and_the_threshold_are_those_counted_by_hand():
    """The units' record lows are 0.9, 0.7, 0.2 and 0.85; k = floor(0.4 x 5) = 2."""
    certificate = hand_made_report().certificate
    assert ((0.2, 0.7, 0.85, 0.9), 0.7) == (certificate.record_lows, certificate.threshold)


@pytest.mark.parametrize(("threshold", "count"), [(0.2, 0), (0.22, 1), (0.7, 1), (0.72, 2), (0.86, 3), (1.0, 4)])
def test_the_risk_curve_counts_record_lows_strictly_below_each_threshold(threshold, count):
    """With the Clopper-Pearson interval of each."""
    (point,) = [p for p in hand_made_report().risk.points if p.threshold == threshold]
    assert Rate(count, 4, *clopper_pearson(count, 4)) == point.leaks


def test_the_band_for_all_thresholds_at_once_is_that_of_dvoretzky_kiefer_and_wolfowitz():
    """Half-width sqrt(ln(2 / 0.05) / 8) for four units."""
    assert pytest.approx(math.sqrt(math.log(40) / 8)) == hand_made_report().risk.uniform


def test_replay_at_the_threshold_counts_units_answered_and_leaking():
    """Below 0.7: u1 and u2 answer cleanly, u3 leaks, u4 falls back."""
    replayed = hand_made_report().replayed
    (served,) = [each for each in replayed.curve if each.threshold == 0.7]
    assert (rate(1, 4), rate(3, 4), rate(1, 3)) == (served.leaked, served.answered, served.leak_given_answered)


def test_rounds_are_those_whose_answers_go_out():
    """q2 and q4 in round 1, q1 in round 2, q3 in round 3, q5 never; one benign prompt in each of two rounds."""
    replayed = hand_made_report().replayed
    assert (RoundsTaken((2, 1, 1), 1), RoundsTaken((1, 1), 0)) == (replayed.forget_rounds, replayed.benign_rounds)


def test_the_score_histogram_keeps_leaks_apart_from_the_rest():
    """Six leaks and three others, each in the bin of its score."""
    bins = [each for each in hand_made_report().replayed.scores if each.leaks or each.clean]
    expected = [(0.1, 0, 1), (0.2, 1, 0), (0.3, 0, 1), (0.6, 0, 1), (0.7, 1, 0), (0.8, 1, 0), (0.85, 1, 0)]
    expected += [(0.9, 1, 0), (0.95, 1, 0)]
    assert [ScoreBin(low, pytest.approx(low + 0.05), *counts) for low, *counts in expected] == bins


def test_reliability_gives_the_share_of_leaks_and_the_mean_score_by_tenths():
    """Of scores from 0.9 on: 0.9 and 0.95, both leaks."""
    last = hand_made_report().replayed.reliability[-1]
    assert (2, 2, 0.925) == (last.candidates, last.leaks, pytest.approx(last.mean_score))


def test_the_nearest_prompts_come_first_and_without_their_answers():
    """q3 met 0.7 itself, q5 got to 0.85, q1 to 0.9 and 0.1; answers only where they are asked for."""
    near = hand_made_report().replayed.nearest
    assert ["q3", "q5", "q1", "q2", "q4"] == [each.id for each in near]
    assert [(2, 0.7, True, False, None)] == [(n.round, n.score, n.leak, n.released, n.answer) for n in near[:1]]


def test_what_serving_never_met_is_not_near():
    """After the release of 0.1 nobody would have asked for the candidate at 0.69."""
    later = prompt("q6", (0.1, False), (0.69, False), unit="u2", topic="a", groups={"family": "direct"})
    recorded = replace(hand_made(), trajectories=(*hand_made().trajectories, later))
    certificate = issue_certificate(recorded, level=0.4, confidence=None, created=CREATED)
    (near,) = [each for each in report_on(certificate, recorded).replayed.nearest if each.id == "q6"]
    assert (0.1, True) == (near.score, near.released)


def test_a_group_says_what_it_allows_alone_and_what_it_meets_when_served():
    """Each alone allows its lowest record low; the third group is the topic's own."""
    direct, reverse, _ = hand_made_report().groups
    assert ("direct", 0.7, rate(0, 3)) == (direct.name, direct.threshold, direct.bound)
    assert ("reverse", 0.2, rate(1, 2), rate(1, 2), rate(2, 2)) == (
        reverse.name,
        reverse.threshold,
        reverse.bound,
        reverse.leaked,
        reverse.answered,
    )


def test_the_json_says_what_the_page_says():
    """The same report, number for number, and the whole certificate."""
    report = hand_made_report()
    written = json.loads(report.to_json())
    assert report.certificate == Certificate.from_json(json.dumps(written["certificate"]))
    assert [point.leaks.count for point in report.risk.points] == [
        point["leaks"]["count"] for point in written["risk"]["points"]
    ]
    assert report.sentence == written["promise"]


def test_the_page_needs_nothing_but_itself():
    """No script, no address, no image: drawings are part of it."""
    seen = Tags(page(hand_made_report()))
    assert ([], set()) == (seen.addresses, {"script", "link", "img", "iframe", "object"} & set(seen.names))
    assert 7 == seen.names.count("svg") - 1  # all drawings, and the patterns
    assert "http" not in page(hand_made_report()).replace("http-equiv", "")


def test_nothing_that_somebody_named_becomes_markup():
    """Topic, group, ids and answers of a hostile author are text, and cannot turn the text round."""
    evil = replace(
        hand_made(),
        bindings=replace(BINDINGS, topics={EVIL: EVIL}, generator=EVIL),
        trajectories=tuple(
            replace(
                t,
                id=t.id + EVIL,
                unit=t.unit + EVIL,
                topic=None if t.benign else EVIL,
                groups={EVIL: EVIL},
                candidates=tuple(replace(c, answer=EVIL + "\x00\ud800") for c in t.candidates),
            )
            for t in hand_made().trajectories
        ),
    )
    certificate = issue_certificate(evil, level=0.4, confidence=None, created=CREATED)
    text = page(report_on(certificate, evil, with_texts=True))
    text.encode("utf-8")
    seen = Tags(text)
    assert "script" not in seen.names
    assert "<script>alert('1')</script>\"&\ufffd" in seen.text
    assert not {"\u202e", "\x00", "\ud800"} & set(text)


def test_answers_are_shown_only_where_they_are_asked_for():
    """They may hold what is to be forgotten."""
    recorded = recording()
    certificate = issue_certificate(recorded, level=0.1, confidence=0.9, created=CREATED)
    without, with_texts = report_on(certificate, recorded), report_on(certificate, recorded, with_texts=True)
    assert (False, True) == ("answer 0" in page(without), "answer 0" in page(with_texts))
    assert (False, True) == ("answer 0" in without.to_json(), "answer 0" in with_texts.to_json())


def test_a_certificate_alone_gives_the_promise_the_risk_and_the_figures():
    """Without trajectories only what they alone can show is missing."""
    certificate = hand_made_report().certificate
    report = report_on(certificate)
    assert (None, hand_made_report().risk) == (report.replayed, report.risk)
    assert "P(leak | answered)" in page(report)


def test_an_infeasible_certificate_has_a_page_that_says_why():
    """No threshold, no figures, no rounds."""
    certificate = issue_certificate(hand_made(), level=0.05, confidence=0.95, created=CREATED)
    report = report_on(certificate, hand_made())
    assert (None, ()) == (report.replayed.forget_rounds, report.replayed.nearest)
    assert "No leak bound of 5 % can be given: 4 units are too few" in Tags(page(report)).text


def in_sessions(recorded: Recording) -> Recording:
    """Put two prompts into each session."""
    pairs = tuple(replace(t, unit=f"s{at // 2}") for at, t in enumerate(recorded.trajectories))
    return replace(recorded, trajectories=pairs)


@pytest.mark.parametrize("options", [{"every_group": "family"}, {"tries": 2}, {"most_lost": 0.3}])
def test_every_kind_of_certificate_has_a_page(options):
    """For every group, for sessions, and with giving up early."""
    recorded = in_sessions(recording())
    certificate = issue_certificate(recorded, level=0.3, confidence=0.9, created=CREATED, **options)
    report = report_on(certificate, recorded)
    assert (0, True) == (len(report.problems), "Rounds" in page(report))
    assert certificate.figures.leak_rate in [each.leaked for each in report.replayed.curve]


def test_a_joint_choice_is_replayed_at_the_rounds_that_it_chose():
    """Its recording went on for longer."""
    limits = Limits(leaks=0.3, changed=0.3)
    certificate = issue_joint_certificate(
        {"revise": recording(400, 100)}, limits, confidence=0.9, rounds=[2], seed=0, created=CREATED
    )
    report = report_on(certificate, recording(400, 100))
    assert (3, 2) == (recording().bindings.rounds, len(report.replayed.forget_rounds.released))


def test_learn_then_test_shows_the_leaks_at_the_thresholds_that_it_tested():
    """They are its evidence; its band is pointwise alone."""
    certificate = issue_certificate(recording(), level=0.1, confidence=0.9, method="ltt", created=CREATED)
    report = report_on(certificate, recording())
    tested = [(entry.threshold, entry.leaks) for entry in certificate.grid_leaks]
    assert (tested, None) == ([(p.threshold, p.leaks.count) for p in report.risk.points], report.risk.uniform)
    assert certificate.id in page(report)


def test_another_recording_is_refused():
    """Naming what differs."""
    other = replace(hand_made(), bindings=replace(hand_made().bindings, generator="model-2"))
    with pytest.raises(ValueError, match="other generator"):
        report_on(hand_made_report().certificate, other)


def test_other_labels_are_refused():
    """The figures would not be those of the certificate."""
    changed = prompt("q2", (0.3, True), unit="u1", topic="a", groups={"family": "reverse"})
    other = tuple(changed if t.id == "q2" else t for t in hand_made().trajectories)
    with pytest.raises(ValueError, match="same --labels"):
        report_on(hand_made_report().certificate, replace(hand_made(), trajectories=other))


def test_a_certificate_that_does_not_follow_from_its_evidence_says_so_first():
    """In words, before anything else."""
    certificate = hand_made_report().certificate
    forged = sealed(replace(certificate, served=replace(certificate.served, threshold=0.9)))
    text = Tags(page(report_on(forged))).text
    assert text.index("It does not follow") < text.index("How many leak")


def test_a_certificate_of_the_first_version_is_read():
    """One without any of the fields that came later."""
    old = {
        "schema": "lethe.certificate/1",
        "created": CREATED,
        "method": "record_low",
        "level": 0.5,
        "confidence": None,
        "every_group": None,
        "covers_subsets": False,
        "served": {
            "outcome": "certified",
            "threshold": 0.4,
            "k": 1,
            "n": 2,
            "level": 0.5,
            "confidence": None,
        },
        "expectation": {
            "outcome": "certified",
            "threshold": 0.4,
            "k": 1,
            "n": 2,
            "level": 0.5,
            "confidence": None,
        },
        "confident": None,
        "groups": [],
        "figures": None,
        "bindings": {
            "generator": "m",
            "verifier": "v",
            "topics": {"a": "f"},
            "refinement": "r",
            "decoding": "d",
            "rounds": 2,
            "prompts": "p",
        },
        "record_lows": [0.4, "inf"],
        "grid_leaks": [],
    }
    certificate = Certificate.from_json(json.dumps({"id": "120a9f6619cf22ea", **old}))
    report = report_on(certificate)
    assert ((), "0.4") == (report.problems, re.findall(r"chosen: ([\d.]+)", page(report))[0])


def test_what_would_end_it_names_every_binding():
    """With the fingerprint that each had."""
    bindings = Bindings("gen", "ver", {"a": "fa"}, "ref", "dec", 3, "p")
    certificate = issue_certificate(
        replace(hand_made(), bindings=bindings), level=0.4, confidence=None, created=CREATED
    )
    ends = dict(report_on(certificate).ends_with)
    assert ["gen", "ver", "ref", "dec", "3", "fa"] == list(ends.values())


def test_text_and_attributes_are_escaped_and_elements_are_not_escaped_twice():
    """The one place where markup is made."""
    inner = element("b", "<&>", title='"><i>')
    assert '<p>x<b title="&quot;&gt;&lt;i&gt;">&lt;&amp;&gt;</b></p>' == element("p", joined("x", inner))


def test_a_line_is_cut_where_it_leaves_the_plane():
    """What lies above is left out, not drawn along the top."""
    drawn = Plane(1.0, 0.5, width=306.0, height=158.0).line([(0.0, 0.0), (0.5, 1.0), (1.0, 0.0)])
    assert ["56.0,114.0 81.0,14.0", "131.0,14.0 156.0,114.0"] == re.findall(r'points="([^"]+)"', drawn)
