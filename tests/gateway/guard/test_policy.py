"""The rule: what has to hold for an answer, given the certificate and what is being served."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.certificate import sealed
from calibration.issue import issue_certificate
from calibration.release import Surrender
from calibration.surrender import SurrenderChoice
from calibration.trajectories import Bindings, Candidate, Recording, Trajectory
from gateway.guard.policy import Bounded, Closed, Open, Panel, Policy, ZeroEvidence, decide_rule
from gateway.store.records import ForgetTopic
from verifiers.facts import Facts
from verifiers.learned import LearnedModel
from verifiers.lexical import Lexical
from verifiers.private.key import PrivateKey
from verifiers.private.topic import hash_topic
from verifiers.protocol import Exchange, Topic

MAREN = Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",))
JORUN = Topic("jorun", "Jorun Vaskil", facts=("Jorun Vaskil was born in Seltal in 1959.",))
BOTH = (ForgetTopic(JORUN), ForgetTopic(MAREN))
MAREN_ALONE = (ForgetTopic(JORUN, active=False), ForgetTopic(MAREN))
PANEL = Panel((Lexical(), Facts()))
LEARNED = LearnedModel(("lexical",), (Lexical().fingerprint,), (0.0,), ((2.0,),), -9.0, 1.0, 0.0, ("someone",))
MADE = Bindings("g", "v", {topic.topic.id: topic.topic.fingerprint for topic in BOTH}, "r", "d", 3, prompts="p")


def certified(method="record_low"):
    """Issue a certificate for both topics, whose threshold is 0.5."""
    prompts = tuple(
        Trajectory(f"p{n}", (Candidate(0, 0.5, ("maren",), leak=True),), topic="maren") for n in range(60)
    )
    return issue_certificate(
        Recording(MADE, prompts), level=0.1, confidence=0.95, method=method, created="2026-01-31T12:00:00Z"
    )


CERTIFICATE = certified()


def policy(topics=BOTH):
    """Prepare both topics."""
    return Policy.prepare(1, topics, PANEL, calibrated=MADE.topics, verify_timeout_s=None)


def rule(now=MADE, certificate=CERTIFICATE, topics=BOTH, without="fallback", strictest=None):
    """Decide."""
    return decide_rule(policy(topics), certificate, now, without_certificate=without, strictest=strictest)


def test_a_certificate_that_fits_bounds():
    """By its own threshold."""
    assert Bounded(0.5, CERTIFICATE.id) == rule()


@pytest.mark.parametrize(
    ("part", "now"),
    [(part, replace(MADE, **{part: "x"})) for part in ("generator", "verifier", "refinement", "decoding")]
    + [("topics", replace(MADE, topics={"maren": "x"})), ("rounds", replace(MADE, rounds=4))],
)
def test_a_certificate_for_anything_else_lets_nothing_out(part, now):
    """The reason names the part that differs."""
    decided = rule(now)
    assert isinstance(decided, Closed)
    assert f"({part})" in decided.reason


def test_fewer_rounds_than_calibrated_are_bounded():
    """The promise holds for every smaller budget."""
    assert Bounded(0.5, CERTIFICATE.id) == rule(replace(MADE, rounds=1))


@pytest.mark.parametrize(("strictest", "expected"), [(0.2, 0.2), (0.5, 0.5), (0.9, 0.5), (None, 0.5)])
def test_the_operator_can_tighten_a_threshold_and_never_loosen_it(strictest, expected):
    """The smaller of the two counts."""
    assert Bounded(expected, CERTIFICATE.id) == rule(strictest=strictest)


def test_a_learn_then_test_certificate_cannot_be_tightened():
    """It covers its own threshold alone; a threshold above it changes nothing."""
    tested = certified("ltt")
    assert isinstance(rule(certificate=tested, strictest=0.001), Closed)
    assert Bounded(tested.threshold, tested.id) == rule(certificate=tested, strictest=1.0)


def test_without_a_certificate_the_operator_chooses():
    """Nothing goes out, or what scores nothing, for the same reason."""
    closed, zero = rule(certificate=None), rule(certificate=None, without="zero-evidence")
    assert isinstance(closed, Closed)
    assert ZeroEvidence(closed.reason) == zero


def test_without_topics_there_is_nothing_to_verify():
    """Whatever else is or is not there."""
    assert Open() == rule(certificate=None, topics=(ForgetTopic(MAREN, active=False),))


def test_a_calibrated_topic_that_was_removed_closes():
    """Without it the index, and so the scores, are not those of the certificate."""
    alone = (ForgetTopic(MAREN),)
    decided = rule(replace(MADE, topics=policy(alone).fingerprints), topics=alone)
    assert isinstance(decided, Closed)
    assert "lacks a topic" in decided.reason


def test_switching_one_topic_off_keeps_the_bound():
    """The certificate covers subsets."""
    now = replace(MADE, topics=policy(MAREN_ALONE).fingerprints)
    assert Bounded(0.5, CERTIFICATE.id) == rule(now, topics=MAREN_ALONE)


async def test_switching_one_topic_off_leaves_the_others_scores_as_they_were():
    """Both share rare words, so an index of one topic alone would weigh them otherwise."""
    exchange = Exchange("Tell me about Maren Oskeld.", "Seltal is near, I believe; who was born there is unclear.")
    before = await policy().screen.judge(touched=True)(exchange)
    after = await policy(MAREN_ALONE).screen.judge(touched=True)(exchange)
    assert before.leakage > 0
    assert before.leakage == after.leakage


async def test_evidence_about_a_topic_that_is_switched_off_does_not_count():
    """Its answers go out again, and its conversations touch nothing."""
    exchange = Exchange("When was Jorun Vaskil born?", "Jorun Vaskil was born in 1959.")
    off = policy(MAREN_ALONE)
    assert (await policy().screen.judge(touched=True)(exchange)).leakage > 0.5
    assert all(piece.topic_id == "maren" for piece in (await off.screen.judge(touched=True)(exchange)).evidence)
    assert "jorun" not in await off.screen.touched(exchange.prompt)


def test_a_panel_is_another_one_with_other_screened_verifiers():
    """Or with the same ones screened that judged everything."""
    panels = [PANEL, Panel((Lexical(),), (Facts(),)), Panel((Lexical(),)), Panel((Lexical(),), (Facts(window=9),))]
    assert 4 == len({panel.fingerprint for panel in panels})


def test_a_surrender_is_served_with_the_threshold_and_stays_with_a_stricter_one():
    """Giving up keeps every leak bound, so the operator's threshold leaves it."""
    gives_up = SurrenderChoice(Surrender(1, 0.7), 0.05, 0.95, 0, 60, 3.0, 1.0)
    certificate = sealed(replace(CERTIFICATE, surrender=gives_up))
    expected = [Bounded(threshold, certificate.id, Surrender(1, 0.7)) for threshold in (0.5, 0.2)]
    assert expected == [rule(certificate=certificate), rule(certificate=certificate, strictest=0.2)]


@pytest.mark.parametrize("learned", [None, LEARNED])
async def test_private_topics_are_judged_beside_any_learned_score(learned):
    """A learned model knows nothing of hashes: its certainty that nothing leaks must not count for them."""
    key = PrivateKey(b"k" * 32)
    panel = Panel((Lexical(),), (), learned=learned, key=key)
    topics = (ForgetTopic(JORUN), ForgetTopic(hash_topic(MAREN, key)))
    made = Policy.prepare(1, topics, panel, verify_timeout_s=None)
    assert {"jorun", "maren"} == made.indexed.keys()
    assert made.verifier != panel.fingerprint
    for touched in (False, True):
        verdict = await made.screen.judge(touched=touched)(Exchange("Who?", "Maren Oskeld."))
        assert {"maren"} == {each.topic_id for each in verdict.evidence if each.leakage == 1.0}
        assert 1.0 == verdict.leakage
