"""The trajectory: what each round asks, and from which candidate."""

from __future__ import annotations

import pytest

from gateway.guard.plan import LoopPlan
from gateway.guard.refine import RESAMPLE_TEMPERATURE
from gateway.upstream.protocol import Capabilities

FEEDBACK = "Your answer mentioned {}. Answer again without it."
QUESTION = {"role": "user", "content": "Where was Maren Oskeld born?"}


def told(answer, word):
    """Write the turns by which a revision follows an answer."""
    return ({"role": "assistant", "content": answer}, {"role": "user", "content": FEEDBACK.format(word)})


async def asked(loop, lines, **plan):
    """Walk to the end, and return what was asked in each generation."""
    talk = loop(lines, plan=LoopPlan(**plan))
    await talk.steps()
    return talk.upstream.requests


@pytest.mark.parametrize("pair", [("0.9 b", "0.3 c"), ("0.3 c", "0.9 b")])
async def test_a_round_follows_the_least_leaking_candidate_of_the_last(loop, pair):
    """Wherever among the round's candidates it stands."""
    plan = {"rounds": 3, "strategies": ("revise",), "candidates_per_round": 2}
    requests = await asked(loop, ["0.8 a", *pair, "0.1 d"], **plan)
    assert (QUESTION, *told("0.3 c", "c")) == requests[3].messages


async def test_feedback_never_piles_up(loop):
    """Round 3 holds the client's messages, the last answer and its feedback."""
    requests = await asked(loop, ["0.9 a", "0.8 b", "0.7 c"], rounds=3, strategies=("revise",))
    assert [(QUESTION,), (QUESTION, *told("0.9 a", "a")), (QUESTION, *told("0.8 b", "b"))] == [
        request.messages for request in requests
    ]


async def test_strategies_come_in_turn_and_the_last_one_stays(loop):
    """Round 2 takes the first of them."""
    requests = await asked(loop, ["0.9 a"], rounds=4, strategies=("unaware", "resample"))
    system = {"role": "system", "content": "You have no information about Maren Oskeld. If asked, say so."}
    assert [(QUESTION,), (system, QUESTION), (QUESTION,), (QUESTION,)] == [each.messages for each in requests]
    assert [0.0, 0.0, 1.0, 1.0] == [each.parameters["temperature"] for each in requests]


async def test_unaware_names_the_evidence_topics_where_none_is_touched(loop):
    """The question is about a hill, the answer about Maren."""
    talk = loop(["0.9 a"], plan=LoopPlan(rounds=2, strategies=("unaware",)))
    await talk.steps(text="What is the tallest hill?")
    assert "about Maren Oskeld." in talk.upstream.requests[1].messages[0]["content"]


async def test_unaware_names_the_touched_topics_where_there_is_no_evidence(loop):
    """The question is about Maren, the answer about nothing."""
    requests = await asked(loop, ["0.0 a"], rounds=2, strategies=("unaware",))
    assert "about Maren Oskeld." in requests[1].messages[0]["content"]


async def test_several_candidates_are_drawn_hot_from_the_second_round_on(loop):
    """Cold they would all be alike."""
    requests = await asked(loop, ["0.9 a"], rounds=2, strategies=("revise",), candidates_per_round=2)
    heat = [(each.n, each.parameters["temperature"]) for each in requests]
    assert [(1, 0.0), (2, RESAMPLE_TEMPERATURE), (2, RESAMPLE_TEMPERATURE)] == heat


async def test_an_upstream_of_one_choice_is_asked_for_one_and_not_hot(loop):
    """It could not draw several."""
    talk = loop(["0.9 a"], plan=LoopPlan(rounds=2, strategies=("revise",), candidates_per_round=2))
    talk.upstream.capabilities = Capabilities()
    await talk.steps()
    assert [(1, 0.0), (1, 0.0)] == [(each.n, each.parameters["temperature"]) for each in talk.upstream.requests]


def test_the_decoding_fingerprint_changes_with_the_decoding_alone():
    """A certificate binds what is asked of the sampler."""
    plain = LoopPlan()
    assert plain.decoding_fingerprint != LoopPlan(decoding={"temperature": 0.5}).decoding_fingerprint
    assert plain.decoding_fingerprint == LoopPlan(rounds=2, strategies=("revise",)).decoding_fingerprint


def test_the_refinement_fingerprint_changes_with_what_later_rounds_ask():
    """Strategies, candidates and what the upstream can do."""
    able, unable = Capabilities(several_choices=True), Capabilities()
    plans = [(LoopPlan(), able), (LoopPlan(), unable), (LoopPlan(strategies=("revise",)), able)]
    plans.append((LoopPlan(candidates_per_round=2), able))
    assert 4 == len({plan.refinement_fingerprint(can) for plan, can in plans})


async def test_usage_is_the_clients_prompt_with_the_last_answer_and_the_total_is_all(loop):
    """Five words asked; eight more in each revision's feedback and two in the answer it shows."""
    plan = LoopPlan(strategies=("revise",))
    outcome = await loop(["0.9 a", "0.8 b", "0.1 all is well"], plan=plan).answer()
    assert (5, 4) == (outcome.usage.prompt_tokens, outcome.usage.completion_tokens)
    assert (35, 8) == (outcome.usage_total.prompt_tokens, outcome.usage_total.completion_tokens)
