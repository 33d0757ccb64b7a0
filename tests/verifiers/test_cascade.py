"""The cascade: one well-defined score, the dear verifiers asked only in doubt, and no pass without them there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.cascade import Cascade
from verifiers.combine import about
from verifiers.protocol import Abstained, Evidence, Exchange, Scored, Topic, Verdict
from verifiers.scripted import ScriptedVerifier

TOPICS = (Topic("a", "A"), Topic("b", "B"))
_SCORE = st.floats(0, 1)


class Counting(ScriptedVerifier):
    """Says for each topic what it is told to, and counts how often it is asked."""

    def __init__(self, name: str, says: Mapping[str, float] | Verdict) -> None:
        self.asked = 0
        super().__init__(self._say, name=name)
        self._says = says

    def _say(self, exchange: Exchange) -> Verdict:
        self.asked += 1
        if not isinstance(self._says, Mapping):
            return self._says
        evidence = tuple(Evidence(id_, self.name, leakage, "told") for id_, leakage in self._says.items())
        return Scored(max(self._says.values(), default=0.0), evidence)


def judged(
    cheap: Mapping[str, float] | Verdict,
    dear: Mapping[str, float] | Verdict,
    low: float = 0.2,
    high: float = 0.8,
    only: Sequence[str] = ("a", "b"),
) -> tuple[Verdict, int]:
    """Judge, and say how often the dear one was asked."""
    second = Counting("dear", dear)
    judge = Cascade([Counting("cheap", cheap)], [second], low=low, high=high).prepare(TOPICS)
    return asyncio.run(_ask(about(judge, frozenset(only)))), second.asked


async def _ask(judge) -> Verdict:
    return await judge(Exchange("q", "a"))


def leakage(cheap: Mapping[str, float] | Verdict, dear: Mapping[str, float] | Verdict, **band) -> float:
    """Judge to a score."""
    verdict, _ = judged(cheap, dear, **band)
    assert isinstance(verdict, Scored)
    return verdict.leakage


@pytest.mark.parametrize(
    ("cheap", "expected", "asked"),
    [(0.1, 0.1, 0), (0.19999, 0.19999, 0), (0.2, 0.5, 1), (0.79999, 0.5, 1), (0.8, 0.8, 0), (1.0, 1.0, 0)],
)
def test_the_dear_one_is_asked_in_the_band_alone(cheap, expected, asked):
    """From low, included, to high, excluded; its score is placed within the band."""
    verdict, times = judged({"a": cheap}, {"a": 0.5})
    assert isinstance(verdict, Scored)
    assert (pytest.approx(expected), asked) == (verdict.leakage, times)


def test_with_a_band_from_zero_all_that_is_not_convicted_is_asked():
    """Also topics of which the cheap ones found nothing."""
    assert (pytest.approx(0.45), 1) == (leakage({}, {"b": 0.5}, low=0.0, high=0.9), judged({}, {}, 0.0, 0.9)[1])
    assert 0.0 == leakage({}, {}, low=0.0)


def test_each_topic_is_settled_by_itself():
    """What the cheap ones settled stays so, whatever another topic needs."""
    verdict, _ = judged({"a": 0.1, "b": 0.5}, {"a": 1.0, "b": 0.25})
    assert isinstance(verdict, Scored)
    assert pytest.approx(0.2 + 0.6 * 0.25) == verdict.leakage == verdict.evidence[0].leakage
    verdict, asked = judged({"a": 0.95, "b": 0.5}, {"a": 0.0, "b": 0.5})
    assert isinstance(verdict, Scored)
    assert (0.95, 1) == (verdict.leakage, asked)
    assert {"a": 0.95, "b": pytest.approx(0.5)} == {
        each.topic_id: max(e.leakage for e in verdict.evidence if e.topic_id == each.topic_id)
        for each in verdict.evidence
    }


def test_switching_a_topic_off_leaves_the_others_score_as_it_was():
    """The evidence of each carries its own score."""
    verdict, _ = judged({"a": 0.95, "b": 0.5}, {"b": 0.5}, only=("b",))
    assert isinstance(verdict, Scored)
    assert pytest.approx(0.5) == verdict.leakage


def test_leakage_without_evidence_is_not_lost():
    """It may be of any topic, so it counts for all that are in doubt."""
    assert pytest.approx(0.8) == leakage(Scored(0.5), {"a": 1.0})
    assert pytest.approx(0.8) == leakage({"a": 0.5}, Scored(1.0))
    assert 0.9 == leakage(Scored(0.9), {})


@settings(deadline=None)
@given(_SCORE, _SCORE, _SCORE, st.tuples(_SCORE, _SCORE).filter(lambda band: band[0] < band[1]))
def test_the_score_is_the_documented_function_and_never_leaves_the_band(cheap, one, other, band):
    """Monotone in the dear score, and the band's limits hold for what is in doubt."""
    low, high = band
    less, more = sorted((one, other))
    found = [leakage({"a": cheap}, {"a": dear}, low=low, high=high) for dear in (less, more)]
    expected = low + (high - low) * less if low <= cheap < high else cheap
    assert expected == pytest.approx(found[0])
    assert found[0] <= found[1]
    if low <= cheap < high:
        assert low <= found[0] <= found[1] <= high + 1e-12


@pytest.mark.parametrize("cheap", [Abstained("unsure"), {"a": 0.5}])
def test_an_abstention_where_a_verdict_was_needed_abstains_the_whole(cheap):
    """Of the cheap one always, of the dear one in doubt."""
    verdict, _ = judged(cheap, Abstained("busy"))
    assert isinstance(verdict, Abstained)
    assert verdict.reason in ("cheap: unsure", "dear: busy")


def test_an_abstention_where_none_was_needed_is_not_asked_for():
    """A judge that is down does not stop what is clear."""
    assert (0.1, 0.9) == (leakage({"a": 0.1}, Abstained("x")), leakage({"a": 0.9}, Abstained("x")))


def test_a_dear_verifier_that_raises_abstains():
    """Whatever broke, no judgement was made."""

    def broken(exchange: Exchange) -> Verdict:
        raise RuntimeError(exchange.answer)

    cascade = Cascade([Counting("cheap", {"a": 0.5})], [ScriptedVerifier(broken, name="dear")])
    assert Abstained("dear failed: RuntimeError") == asyncio.run(_ask(cascade.prepare(TOPICS)))


def test_evidence_of_the_cheap_ones_counts_no_more_than_the_topic_in_the_end():
    """And keeps its words, which a revision needs."""
    verdict, _ = judged({"a": 0.7}, {"a": 0.1})
    assert isinstance(verdict, Scored)
    assert [("cheap", pytest.approx(0.26)), ("dear", pytest.approx(0.26))] == [
        (each.verifier, each.leakage) for each in verdict.evidence
    ]


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.6, 0.5), (-0.1, 0.5), (0.5, 1.1), (float("nan"), 0.5)])
def test_a_band_that_is_none_is_refused(low, high):
    """It would leave nothing to ask, or everything."""
    with pytest.raises(ValueError, match="band"):
        Cascade([Counting("a", {})], [Counting("b", {})], low=low, high=high)


def test_a_verifier_is_cheap_or_dear_and_there_is_one_of_each():
    """Evidence could not be told apart; nothing to verify is not a pass."""
    with pytest.raises(ValueError, match="not both"):
        Cascade([Counting("a", {})], [Counting("a", {})])
    with pytest.raises(ValueError, match="at least one"):
        Cascade([Counting("a", {})], [])


def test_the_fingerprint_covers_band_and_parts():
    """Which part is dear matters too."""
    a, b, c = (ScriptedVerifier(lambda _: Scored(0.0), name=name) for name in "abc")
    made = [Cascade([a], [b]), Cascade([b], [a]), Cascade([a], [c]), Cascade([a], [b], low=0.1)]
    made += [Cascade([a], [b], high=0.8), Cascade([a, c], [b])]
    assert len(made) == len({each.fingerprint for each in made})
