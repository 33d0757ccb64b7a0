"""The learned verifier: monotone, bound to its parts and its file, and better than any of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifiers.combine import about
from verifiers.learned import Learned, LearnedModel, read_learned, unit_mark, write_learned
from verifiers.protocol import Abstained, Evidence, Exchange, Scored, Span, Topic, Verdict
from verifiers.scripted import ScriptedVerifier

EXCHANGE = Exchange("Who?", "It was she.")
TOPICS = (Topic("a", "Ada Quill"), Topic("b", "Bo Reed"))


def saying(name: str, **topics: float) -> ScriptedVerifier:
    """Score each topic as given, with evidence."""
    evidence = tuple(Evidence(id_, name, leak, "said", (Span(0, 2),), ("It",)) for id_, leak in topics.items())
    return ScriptedVerifier(lambda exchange: Scored(max(topics.values(), default=0.0), evidence), name=name)


def model(names: Sequence[str] = ("one", "two"), **changed: object) -> LearnedModel:
    """Make a model of two verifiers and two knots."""
    given = {
        "names": tuple(names),
        "fingerprints": tuple(f"{name}-1" for name in names),
        "knots": (0.0, 0.5),
        "weights": ((4.0, 1.0), (2.0, 0.0)),
        "intercept": -3.0,
        "slope": 1.5,
        "offset": 0.25,
        "units": (unit_mark("u1"),),
    }
    return LearnedModel(**{**given, **changed})


def judged(*verifiers: ScriptedVerifier) -> Verdict:
    """Judge by a model over these."""
    return asyncio.run(Learned(model(), verifiers).prepare(TOPICS)(EXCHANGE))


def test_the_score_is_the_probability_of_the_worst_topic():
    """By the formula in the docstring; evidence says which verifier found what, and points where it did."""
    verdict = judged(saying("one", a=0.8, b=0.1), saying("two", b=0.6))
    logit_a, logit_b = 4 * 0.8 + 0.3 - 3, 4 * 0.1 + 2 * 0.6 - 3
    expected = [round(float(1 / (1 + np.exp(-(1.5 * logit + 0.25)))), 6) for logit in (logit_a, logit_b)]
    assert isinstance(verdict, Scored)
    assert expected[0] == verdict.leakage
    assert [("a", expected[0]), ("b", expected[1]), ("b", expected[1])] == [
        (each.topic_id, each.leakage) for each in verdict.evidence
    ]
    assert ("one 0.80: said", ("It",), "learned") == (
        verdict.evidence[0].reason,
        verdict.evidence[0].words,
        verdict.evidence[0].verifier,
    )


def test_nothing_found_scores_nothing():
    """Whatever the intercept says, so that an answer without evidence stays the least."""
    assert Scored(0.0) == judged(saying("one"), saying("two"))


def test_a_score_without_evidence_counts_for_every_topic():
    """It cannot be put down to one of them."""
    alone = judged(ScriptedVerifier(lambda exchange: Scored(0.7), name="one"), saying("two"))
    beside = judged(ScriptedVerifier(lambda exchange: Scored(0.7), name="one"), saying("two", b=0.2))
    assert isinstance(alone, Scored)
    assert isinstance(beside, Scored)
    assert 0 < alone.leakage < beside.leakage == beside.evidence[0].leakage


def test_topics_that_are_left_out_do_not_count():
    """As for any verifier, the evidence about other topics alone makes the score."""
    judge = Learned(model(), (saying("one", a=0.9, b=0.1), saying("two"))).prepare(TOPICS)
    verdict = asyncio.run(about(judge, frozenset({"b"}))(EXCHANGE))
    assert isinstance(verdict, Scored)
    assert judged(saying("one", b=0.1), saying("two")).leakage == verdict.leakage


@pytest.mark.parametrize("broken", [lambda _: Abstained("no model"), lambda _: 1 / 0])
def test_where_a_part_cannot_decide_the_whole_cannot(broken):
    """An abstention or an error of either verifier is one of the whole."""
    verdict = judged(saying("one", a=0.9), ScriptedVerifier(broken, name="two"))
    assert isinstance(verdict, Abstained)
    assert "two" in verdict.reason


@given(st.lists(st.floats(0, 1), min_size=2, max_size=2), st.integers(0, 1), st.floats(0, 1))
def test_more_evidence_never_means_less_leakage(scores, which, more):
    """Whatever else is known, raising one score cannot lower the probability."""
    raised = list(scores)
    raised[which] = max(scores[which], more)
    low, high = model().probabilities(np.array([scores, raised]))
    assert low <= high


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"weights": ((4.0, -1.0), (2.0, 0.0))}, "not negative"),
        ({"slope": -0.1}, "not negative"),
        ({"intercept": float("nan")}, "finite"),
        ({"weights": ((4.0,), (2.0, 0.0))}, "each knot"),
        ({"fingerprints": ("one-1",)}, "one fingerprint"),
        ({"names": ("one", "one")}, "another name"),
        ({"knots": (), "weights": ((), ())}, "each knot"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(changed, reason):
    """A model is checked when it is made."""
    with pytest.raises(ValueError, match=reason):
        model(**changed)


def test_a_model_is_for_the_verifiers_that_it_was_trained_on():
    """Other ones, another order or another version are errors that say what to do."""
    one, two = saying("one"), saying("two")
    with pytest.raises(ValueError, match="scores of one, two, in this order"):
        Learned(model(), (two, one))
    with pytest.raises(ValueError, match=r"two changed .* train it again"):
        Learned(model(), (one, ScriptedVerifier(lambda _: Scored(0.0), name="two", fingerprint="2")))
    changed = Learned(model(offset=0.5), (one, two)).fingerprint
    assert changed != Learned(model(), (one, two)).fingerprint


def test_a_file_gives_the_model_back(tmp_path):
    """Equal, and with what it was trained on, without naming it."""
    write_learned(model(), tmp_path / "learned.json")
    assert model() == read_learned(tmp_path / "learned.json")
    assert (True, False) == (model().saw("u1"), model().saw("u2"))
    assert "u1" not in (tmp_path / "learned.json").read_text()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body["model"].update(offset=0.75),
        lambda body: body["model"].pop("units"),
        lambda body: body["model"].update(extra=1),
        lambda body: body.update(format="lethe-learned-0"),
        lambda body: body.update(model=None),
        lambda body: body["model"].update(weights=[["x", 1.0], [2.0, 0.0]]),
        lambda body: body.pop("fingerprint"),
    ],
)
def test_a_file_that_was_changed_is_refused(tmp_path, spoil):
    """By name, saying what to do."""
    path = tmp_path / "learned.json"
    write_learned(model(), path)
    body = json.loads(path.read_text())
    spoil(body)
    path.write_text(json.dumps(body))
    with pytest.raises(ValueError, match=r"learned\.json .*train it again"):
        read_learned(path)


def test_a_file_that_is_none_is_refused(tmp_path):
    """Missing, or not JSON."""
    with pytest.raises(ValueError, match="cannot be read"):
        read_learned(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ValueError, match="no learned model"):
        read_learned(tmp_path / "bad.json")
