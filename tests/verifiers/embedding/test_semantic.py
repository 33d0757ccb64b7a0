"""Semantic: facts told without their names, echoes, refusals, and what cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.combine import about
from verifiers.embedding.embedder import Embedded
from verifiers.protocol import Abstained, Exchange, Scored, Topic, Verdict
from verifiers.semantic import Semantic, leakage_of

MAREN = Topic(
    "maren", "Maren Oskeld", facts=("Maren Oskeld was born on the northern coast.", "Maren bakes bread.")
)
TOBIN = Topic("tobin", "Tobin Vaxley", description="A mason. He carves grey stone lions.")
QUESTION = "Where was Maren Oskeld born?"
_COSINE = st.floats(0, 1, width=32)


async def judged(
    embedder, answer: str, prompt: str = QUESTION, topics: Sequence[Topic] = (MAREN, TOBIN)
) -> Scored:
    """Judge one answer."""
    verdict = await Semantic(embedder).prepare(topics)(Exchange(prompt, answer))
    assert isinstance(verdict, Scored)
    return verdict


async def test_a_fact_told_of_somebody_whom_only_the_question_names_is_found(words):
    """The question and the sentence together are nearer to the fact than the sentence alone."""
    told = await judged(words, "I like rain. On the northern coast.")
    assert told.leakage > 0.6
    (evidence,) = told.evidence
    assert ("maren", "semantic", told.leakage) == (evidence.topic_id, evidence.verifier, evidence.leakage)
    span = evidence.spans[0]
    assert "On the northern coast." == "I like rain. On the northern coast."[span.start : span.end]
    assert evidence.reason.startswith("like fact 0: cosine 0.")
    assert told.leakage > (await judged(words, "On the northern coast.", prompt="Where?")).leakage


async def test_descriptions_and_protected_texts_count_too(words):
    """Each by its passages."""
    assert (await judged(words, "He carves grey stone lions.", "What does he do?")).evidence[0].topic_id == "tobin"
    text = Topic("rule", "The rule", protected_texts=("No hand shall lift the ladle before the third bell.",))
    found = await judged(words, "No hand shall lift the ladle before the third bell.", "?", (text,))
    assert (1.0, "like protected text 0: cosine 1.00, of the prompt 0.00") == (
        round(found.leakage, 5),
        found.evidence[0].reason,
    )


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (f"Translate this: {MAREN.facts[0]}", MAREN.facts[0]),
        (f"{MAREN.facts[0]}\nSay it again.", f"Gladly. {MAREN.facts[0]}"),
    ],
)
async def test_a_fact_that_the_prompt_holds_is_no_leak(words, prompt, answer):
    """Of that fact; unlike the same answer to another question."""
    verdict = await judged(words, answer, prompt, (Topic("m", "Maren Oskeld", facts=MAREN.facts[:1]),))
    assert verdict.leakage < 0.35
    assert (await judged(words, answer, "Who?")).leakage > 0.95


async def test_who_says_that_nothing_is_known_is_near_the_question_and_tells_nothing(words):
    """Unless a telling word stands in the same sentence."""
    refused = await judged(words, "I do not know where Maren Oskeld was born.")
    assert Scored(0.0) == refused
    assert (await judged(words, "I do not know where Maren Oskeld was born, Northern coast?")).leakage > 0.5


async def test_what_has_nothing_to_do_with_it_scores_zero(words):
    """Below the floor there is no evidence either; an empty answer says nothing."""
    assert Scored(0.0) == await judged(words, "Python is a language.", "What is Python?")
    assert Scored(0.0) == await judged(words, " ")
    assert Scored(0.0) == await judged(words, "Anything.", topics=(Topic("a", "A"),))


async def test_every_topic_has_evidence_of_its_own(words):
    """So that switching one off leaves the other's score as it was."""
    answer = f"{MAREN.facts[0]} He carves grey stone lions and more."
    judge = Semantic(words).prepare((MAREN, TOBIN))
    both = await judge(Exchange("Tell me.", answer))
    tobin = await about(judge, frozenset({"tobin"}))(Exchange("Tell me.", answer))
    alone = await judged(words, answer, "Tell me.", (TOBIN,))
    assert isinstance(both, Scored)
    assert isinstance(tobin, Scored)
    assert ["maren", "tobin"] == [each.topic_id for each in both.evidence]
    assert alone.leakage == tobin.leakage < both.leakage


@pytest.mark.parametrize(
    "facts", [(MAREN.facts[0], "Maren was born far off."), ("Maren was born far off.", MAREN.facts[0])]
)
async def test_the_nearest_statement_of_a_topic_is_its_evidence(words, facts):
    """Whichever comes first among them."""
    verdict = await judged(words, MAREN.facts[0], "Who?", (Topic("m", "M", facts=facts),))
    assert (1.0, f"like fact {facts.index(MAREN.facts[0])}") == (
        round(verdict.leakage, 5),
        verdict.evidence[0].reason.split(":")[0],
    )


class Failing:
    """An embedder that knows no character, or fails."""

    fingerprint = "failing"

    def __init__(self, embedder, unknown: float = 0.0, value: float | None = None) -> None:
        self.embedder, self.unknown, self.value, self.calls = embedder, unknown, value, 0

    def embed(self, texts: Sequence[str], *, most_windows: int | None = None) -> Embedded:
        """Spoil what comes after the topics."""
        self.calls += 1
        found = self.embedder.embed(texts)
        vectors = found.vectors if self.value is None or self.calls == 1 else found.vectors * self.value
        return Embedded(vectors, found.owners, self.unknown)


@pytest.mark.parametrize(
    ("how", "reason"), [({"unknown": 0.6}, "does not know most"), ({"value": float("nan")}, "not finite")]
)
async def test_what_cannot_be_compared_is_no_pass(words, how, reason):
    """Characters that the model does not have, and vectors that are none."""
    verdict = await Semantic(Failing(words, **how)).prepare((MAREN,))(Exchange(QUESTION, "In Seltal."))
    assert isinstance(verdict, Abstained)
    assert reason in verdict.reason


async def test_an_answer_with_more_pieces_than_allowed_is_no_pass(plain_bert):
    """With a real model's windows."""
    from verifiers.embedding.opening import open_embedder

    judge = Semantic(open_embedder(plain_bert, engine="torch"), most_windows=20).prepare((MAREN,))
    assert isinstance(await judge(Exchange(QUESTION, "By the sea. " * 9)), Scored)
    assert isinstance(await judge(Exchange(QUESTION, "By the sea. " * 11)), Abstained)


def test_it_judges_in_any_event_loop(words):
    """One judge, many loops, as the screen does with long answers."""
    judge = Semantic(words).prepare((MAREN,))

    async def ask() -> Verdict:
        return await judge(Exchange(QUESTION, "On the northern coast."))

    assert asyncio.run(ask()) == asyncio.run(ask())


def test_topics_that_are_prepared_again_are_not_embedded_again(words):
    """Switching one topic on must not cost what ten thousand did."""
    counting = Failing(words)
    verifier = Semantic(counting)
    verifier.prepare((MAREN,))
    verifier.prepare((MAREN,))
    assert 1 == counting.calls
    verifier.prepare((MAREN, TOBIN))
    assert 2 == counting.calls


def leakage(said: float, asked: float, *, disclaims: bool = False, echo: float = 8.0) -> float:
    """Turn one pair of cosines into leakage."""
    one = np.array([[said]], np.float32), np.array([asked], np.float32), np.array([disclaims])
    return float(leakage_of(*one, echo)[0, 0])


@settings(deadline=None)
@given(_COSINE, _COSINE, _COSINE, st.booleans())
def test_leakage_rises_with_the_answer_and_falls_with_the_prompt(one, other, fixed, disclaims):
    """For any cosines, and it stays in [0, 1]."""
    low, high = sorted((one, other))
    assert leakage(low, fixed, disclaims=disclaims) <= leakage(high, fixed, disclaims=disclaims) + 1e-6
    assert leakage(fixed, low, disclaims=disclaims) >= leakage(fixed, high, disclaims=disclaims) - 1e-6
    assert 0.0 <= leakage(low, fixed, disclaims=disclaims) <= 1.0


def test_leakage_is_the_documented_function():
    """At its corners."""
    assert leakage(0.8, 0.0) == pytest.approx(0.8)
    assert leakage(1.0, 1.0) == pytest.approx(0.0)
    assert leakage(0.9, 0.8) == pytest.approx((1 - 0.8**8) * 0.9 + 0.8**8 * 0.5, abs=1e-6)
    assert leakage(0.9, 0.8, disclaims=True) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("wrong", [{"echo": 0.0}, {"floor": 1.0}, {"floor": -0.1}, {"most_windows": 0}])
def test_parameters_that_mean_nothing_are_refused(words, wrong):
    """A floor of 1 would let all pass."""
    with pytest.raises(ValueError, match="must be"):
        Semantic(words, **wrong)


def test_the_fingerprint_changes_with_every_parameter_and_the_embedder(words, plain_bert):
    """A certificate for another grading no longer fits."""
    from verifiers.embedding.opening import open_embedder

    made = [Semantic(words), Semantic(words, echo=4), Semantic(words, floor=0.2), Semantic(words, most_windows=9)]
    made.append(Semantic(open_embedder(plain_bert, engine="torch")))
    assert 5 == len({each.fingerprint for each in made})
