"""The loop: when an answer goes out, and what goes out in its place."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.errors import InvalidInput, UpstreamGarbage, UpstreamTimeout, UpstreamUnreachable
from gateway.guard.fallback import REFUSE, UNAWARE
from gateway.guard.loop import FellBack, Released
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Closed, Open, ZeroEvidence
from gateway.guard.steps import Candidate, Ended
from gateway.store.records import Fallback, ForgetTopic
from gateway.upstream.protocol import Capabilities, Choice, Completion
from verifiers.protocol import Evidence, Exchange, Scored, Topic, Verdict


def text(outcome):
    """Read the outcome's first answer."""
    return outcome.choices[0].message["content"]


async def test_the_first_candidate_below_the_threshold_goes_out(loop):
    """Two leak, the third passes, the fourth is never drawn."""
    talk = loop(["0.9 Seltal", "0.6 Seltal", "0.4 maybe", "0.0 never"])
    outcome = await talk.answer()
    assert isinstance(outcome, Released)
    assert ("0.4 maybe", 3, 3) == (text(outcome), outcome.rounds, outcome.generations)
    assert 3 == len(talk.upstream.requests)


async def test_a_score_equal_to_the_threshold_does_not_go_out(loop):
    """The rule is strict: ties with a recorded leak are leaks."""
    outcome = await loop(["0.5 Seltal"], plan=LoopPlan(rounds=1)).answer()
    assert isinstance(outcome, FellBack)


async def test_when_no_candidate_passes_the_fallback_answers(loop):
    """After T rounds the loop is exhausted, and nothing of any candidate is in the answer."""
    outcome = await loop(["0.9 Seltal"], plan=LoopPlan(rounds=3)).answer()
    assert ("exhausted", UNAWARE, 3) == (outcome.reason, text(outcome), outcome.generations)


@pytest.mark.parametrize(
    ("fallback", "expected"),
    [
        (Fallback("unaware"), UNAWARE),
        (Fallback("refuse"), REFUSE),
        (Fallback("custom", "Please ask the archive."), "Please ask the archive."),
    ],
)
async def test_a_topic_falls_back_in_its_own_style(loop, fallback, expected):
    """The style is the one of the topic that leaked."""
    topic = ForgetTopic(Topic("maren", "Maren Oskeld"), fallback=fallback)
    assert expected == text(await loop(["0.9 Seltal"], topics=(topic,)).answer())


@pytest.mark.parametrize("said", ["abstain", "raise"])
async def test_a_verifier_that_cannot_judge_lets_nothing_out(loop, said):
    """An abstention and an exception both end the trajectory, even if a later one would pass."""
    outcome = await loop([said, "0.0 harmless"]).answer()
    assert ("abstained", UNAWARE) == (outcome.reason, text(outcome))


async def test_a_verifier_that_hangs_lets_nothing_out(loop):
    """A judge past its time counts as an abstention."""

    class Sleepy:
        name = fingerprint = "sleepy"

        def prepare(self, topics):
            async def judge(exchange: Exchange) -> Verdict:
                await asyncio.sleep(60)
                return Scored(0.0)

            return judge

    from gateway.guard.policy import Panel, Policy

    talk = loop(["0.0 harmless"])
    talk.policy = Policy.prepare(1, talk.topics, Panel((Sleepy(),)), verify_timeout_s=0.05)
    assert "abstained" == (await talk.answer()).reason


async def test_an_upstream_that_fails_at_first_is_an_error(loop):
    """There is nothing to answer with, and nothing leaked."""
    with pytest.raises(UpstreamUnreachable):
        await loop([UpstreamUnreachable("gone")]).answer()


async def test_an_upstream_that_fails_later_ends_in_the_fallback(loop):
    """The leaking first candidate does not go out because the second could not be had."""
    outcome = await loop(["0.9 Seltal", UpstreamUnreachable("gone")]).answer()
    assert ("upstream", UNAWARE) == (outcome.reason, text(outcome))


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (UpstreamGarbage("odd"), "refused"),
        (InvalidInput("too long"), "refused"),
        (RuntimeError("a bug"), "upstream"),
    ],
)
async def test_whatever_fails_after_the_first_round_ends_in_the_fallback(loop, failure, reason):
    """An error of a later round would tell that there was one."""
    talk = loop(["0.9 Seltal"])
    well = talk.upstream.complete

    async def complete(request):
        if talk.upstream.requests:
            raise failure
        return await well(request)

    talk.upstream.complete = complete
    assert (reason, UNAWARE) == ((outcome := await talk.answer()).reason, text(outcome))


async def test_the_client_pays_for_its_own_prompt_alone(loop):
    """The tokens of a later round's longer prompt would tell what was withheld."""
    plain = await loop(["0.0 a b"]).answer()
    refined = await loop(["0.9 Seltal", "0.0 a b"]).answer()
    exhausted = await loop(["0.9 Seltal"]).answer()
    assert plain.usage == refined.usage
    assert plain.usage.prompt_tokens == exhausted.usage.prompt_tokens
    assert refined.usage_total.prompt_tokens > refined.usage.prompt_tokens


async def test_the_fallback_is_no_longer_than_the_client_allows(loop):
    """Like any model's answer it is cut, and says so."""
    outcome = await loop(["0.9 Seltal"]).answer(parameters={"max_tokens": 2})
    assert ("I don't", "length") == (text(outcome), outcome.choices[0].finish_reason)


async def test_a_conversation_with_an_image_gets_every_verifier_and_the_calibrated_decoding(loop):
    """What cannot be read could touch anything."""
    from gateway.upstream.protocol import ChatRequest

    talk = loop(["0.0 fine"])
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    request = ChatRequest("m", ({"role": "user", "content": image},), {"temperature": 0.9})
    await talk.guard.answer(talk.upstream, request, talk.policy, Bounded(0.5, "c"))
    assert {"temperature": 0.0} == dict(talk.upstream.requests[0].parameters)


async def test_a_long_answer_is_judged_aside_and_as_well(loop):
    """Other requests go on meanwhile; the verdict counts all the same."""
    long = "x" * 30_000
    assert "exhausted" == (await loop([f"0.9 {long}"]).answer()).reason
    assert f"0.1 {long}" == text(await loop([f"0.1 {long}"]).answer())


async def test_an_upstream_that_gives_no_choices_lets_nothing_out(loop):
    """No answer is nothing to pass."""
    assert "upstream" == (await loop([Completion("scripted", ())]).answer()).reason


async def test_without_a_certificate_nothing_goes_out_and_nothing_is_generated(loop):
    """A closed rule answers with the fallback and spends no generation."""
    talk = loop(["0.0 harmless"])
    outcome = await talk.answer(Closed("no certificate"))
    assert ("uncertified", UNAWARE, 0) == (outcome.reason, text(outcome), len(talk.upstream.requests))


async def test_zero_evidence_lets_out_only_what_scores_nothing(loop):
    """The smallest score above zero is refused, zero passes."""
    rule = ZeroEvidence("no certificate")
    assert "0.0 fine" == text(await loop(["0.000001 hm", "0.0 fine"]).answer(rule))
    assert isinstance(await loop(["0.000001 hm"]).answer(rule), FellBack)


async def test_without_active_topics_the_answer_passes_untouched(loop):
    """Everything of it, unverified channels too: there is nothing to forget."""
    choice = Choice({"role": "assistant", "content": "raise"}, "stop", {"logprobs": {"content": []}})
    talk = loop([Completion("scripted", (choice,))], topics=())
    assert (choice,) == (await talk.answer(Open())).choices


async def test_a_deadline_after_the_first_candidate_ends_in_the_fallback(loop):
    """Time is up while the second candidate is awaited."""
    talk = loop(["0.9 Seltal"], plan=LoopPlan(deadline_s=0.05))
    slow = talk.upstream.complete

    async def complete(request):
        if talk.upstream.requests:
            await asyncio.sleep(60)
        return await slow(request)

    talk.upstream.complete = complete
    assert "deadline" == (await talk.answer()).reason


async def test_a_round_that_cannot_end_in_time_is_not_begun(loop):
    """The fallback answers at once and the model is spared; no candidate goes out for lack of time."""
    talk = loop(["0.9 Seltal", "0.0 fine"], plan=LoopPlan(deadline_s=0.3))
    well = talk.upstream.complete

    async def complete(request):
        await asyncio.sleep(0.2)
        return await well(request)

    talk.upstream.complete = complete
    outcome = await talk.answer()
    assert ("deadline", UNAWARE, 1) == (outcome.reason, text(outcome), len(talk.upstream.requests))


async def test_the_deadline_holds_where_nothing_is_verified(loop):
    """A model that never answers is no reason to wait for ever."""
    talk = loop(["fine"], topics=(), plan=LoopPlan(deadline_s=0.05))

    async def complete(request):
        await asyncio.sleep(60)

    talk.upstream.complete = complete
    with pytest.raises(UpstreamTimeout):
        await talk.answer(Open())


async def test_a_deadline_before_the_first_candidate_is_an_error(loop):
    """Nothing was generated, so the client may try again."""
    talk = loop(["0.0 fine"], plan=LoopPlan(deadline_s=0.05))

    async def complete(request):
        await asyncio.sleep(60)

    talk.upstream.complete = complete
    with pytest.raises(UpstreamTimeout):
        await talk.answer()


async def test_each_of_several_choices_goes_through_a_loop_of_its_own(loop):
    """A client that asks for two gets two that pass, one of them after a second round."""
    both = loop(lambda request: "0.9 Seltal" if request.parameters.get("seed") == 8 else "0.1 fine")
    outcome = await both.answer(n=2, parameters={"seed": 7}, text="What is the tallest hill?")
    assert ["0.1 fine", UNAWARE] == [choice.message["content"] for choice in outcome.choices]
    assert ("exhausted", 6, 5) == (outcome.reason, outcome.generations, outcome.rounds)
    assert {1} == {request.n for request in both.upstream.requests}
    closed = await both.answer(Closed("x"), n=2)
    assert [UNAWARE, UNAWARE] == [choice.message["content"] for choice in closed.choices]


async def test_a_round_can_draw_several_candidates(loop):
    """From the second round on, the loop takes the first of them that passes, in order."""
    plan = LoopPlan(rounds=2, candidates_per_round=3)
    talk = loop(["0.9 a", "0.8 b", "0.3 c", "0.1 d"], plan=plan)
    outcome = await talk.answer()
    assert ("0.3 c", 3) == (text(outcome), outcome.generations)


async def test_a_trajectory_does_not_stop_where_serving_would(loop):
    """Calibration sees every round, whatever passed before."""
    steps = await loop(["0.0 fine", "0.9 Seltal"], plan=LoopPlan(rounds=3)).steps()
    assert [0.0, 0.9, 0.9] == [step.score for step in steps if isinstance(step, Candidate)]


async def test_a_broken_trajectory_says_why_it_ended(loop):
    """The last step is the reason, and nothing follows it."""
    steps = await loop(["0.9 Seltal", "abstain", "0.0 fine"]).steps()
    assert [Candidate, Ended] == [type(step) for step in steps]


async def test_serving_and_recording_see_the_same_candidates(loop):
    """What serving releases at a threshold is what replaying the recording says it would."""
    from calibration.release import first_released

    lines = ["0.7 a", "0.9 b", "0.3 c", "0.0 d", "0.6 e"]
    recorded = [step.score for step in await loop(lines).steps()]
    for threshold in (0.05, 0.31, 0.5, 0.75, 1.0):
        outcome = await loop(lines).answer(Bounded(threshold, "c"))
        assert first_released(recorded, threshold) == outcome.rounds - 1


async def test_logprobs_and_unknown_channels_do_not_go_out(loop):
    """What no verifier has read is removed from a guarded answer."""
    message = {"role": "assistant", "content": "0.0 fine", "audio": {"data": "U2VsdGFs"}}
    choice = Choice(message, "stop", {"logprobs": {"content": [{"token": "Seltal"}]}})
    outcome = await loop([Completion("scripted", (choice,))]).answer()
    assert (Choice({"role": "assistant", "content": "0.0 fine"}, "stop"),) == outcome.choices


async def test_only_conversations_that_touch_a_topic_are_pinned_to_the_calibrated_decoding(loop):
    """Of theirs only what does not steer the decoding is kept; other conversations keep all."""
    talk = loop(["0.0 fine"])
    hot = {"temperature": 0.9, "seed": 3, "logit_bias": {"7": -100}, "max_tokens": 9}
    await talk.answer(parameters=hot)
    await talk.answer(text="What is the tallest hill?", parameters=hot)
    assert [{"temperature": 0.0, "max_tokens": 9}, hot] == [
        dict(request.parameters) for request in talk.upstream.requests
    ]


async def test_a_harmless_question_costs_one_generation(loop):
    """One answer, one cheap check."""
    outcome = await loop(["0.0 It is Mount Ell."]).answer(text="What is the tallest hill?")
    assert (1, 1) == (outcome.rounds, outcome.generations)


async def test_a_word_that_the_client_has_begun_is_judged_whole(loop):
    """An answer that completes the client's own half word is judged together with it."""
    seen = []

    def verdict(exchange):
        seen.append(exchange.answer)
        return Scored(0.0)

    talk = loop(["tal"], verdict=verdict)
    begun = ({"role": "user", "content": "Where?"}, {"role": "assistant", "content": "In Sel"})
    from gateway.upstream.protocol import ChatRequest

    await talk.guard.answer(talk.upstream, ChatRequest("scripted", begun), talk.policy, Bounded(0.5, "c"))
    assert ["In Seltal\ntal"] == seen


def test_a_plan_that_cannot_run_is_refused():
    """No rounds, no strategies, no time: each is named at once."""
    for wrong in ({"rounds": 0}, {"strategies": ()}, {"deadline_s": 0}, {"candidates_per_round": 0}):
        with pytest.raises(ValueError, match=r"rounds|strategy"):
            LoopPlan(**wrong)


def test_a_model_without_several_choices_is_asked_for_one():
    """Capabilities are the upstream's to say."""
    assert not Capabilities().several_choices


async def test_the_fallback_speaks_in_the_style_of_the_topic_that_leaked_most(loop):
    """Of two topics in one answer, the stronger evidence decides."""
    topics = (
        ForgetTopic(Topic("maren", "Maren Oskeld"), fallback=Fallback("refuse")),
        ForgetTopic(Topic("jorun", "Jorun Vaskil"), fallback=Fallback("custom", "Ask elsewhere.")),
    )

    def verdict(exchange):
        found = [Evidence("jorun", "scripted", 0.9, "more"), Evidence("maren", "scripted", 0.6, "less")]
        return Scored(0.9, tuple(found))

    assert "Ask elsewhere." == text(await loop(["x"], topics=topics, verdict=verdict).answer())


async def test_a_verifier_that_computes_for_ever_over_a_long_answer_lets_nothing_out(loop):
    """It runs in a thread, so the deadline holds though it never waits."""

    def verdict(exchange):
        time.sleep(0.5)
        return Scored(0.0)

    long = "x" * 30_000
    assert "abstained" == (await loop([long], verdict=verdict, verify_timeout_s=0.05).answer()).reason


async def test_the_opening_score_is_the_first_candidates_where_a_topic_is_touched(loop):
    """Whatever went out, and of the first of several answers; talk of anything else has none."""
    lines = ["0.9 Seltal", "0.8 Seltal", "0.1 fine"]
    outcomes = [await loop(lines).answer(), await loop(lines, plan=LoopPlan(rounds=2)).answer()]
    both = await loop(["0.4 a", "0.1 b"]).answer(n=2)
    other = await loop(["0.1 fine"]).answer(text="What is the tallest hill?")
    assert [0.9, 0.9, 0.4, None] == [outcome.opening_score for outcome in (*outcomes, both, other)]


async def test_a_fallback_that_judged_nothing_has_no_opening_score(loop):
    """The first candidate could not be judged, or nothing was generated."""
    talk = loop(["abstain"])
    assert [None, None] == [(await talk.answer()).opening_score, (await talk.answer(Closed("x"))).opening_score]


NAMED = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
AS_NAMED = {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": NAMED}}}


def as_json(exchange: Exchange) -> Verdict:
    """Take what names Seltal as a leak."""
    return Scored(0.9 if "Seltal" in exchange.answer else 0.0)


async def test_a_refined_answer_that_lost_the_clients_schema_does_not_go_out(loop):
    """Calibration bounds no candidate behind it, so the fallback answers, in the schema."""
    talk = loop(['{"name": "Seltal"}', "I cannot say.", '{"name": "?"}'], verdict=as_json)
    outcome = await talk.answer(parameters=AS_NAMED)
    assert ("misshapen", f'{{"name": "{UNAWARE}"}}', 2) == (outcome.reason, text(outcome), outcome.rounds)
    assert 2 == len(talk.upstream.requests)


async def test_a_refined_answer_in_the_clients_schema_goes_out(loop):
    """The later rounds ask for the schema as the first did."""
    talk = loop(['{"name": "Seltal"}', '{"name": "?"}'], verdict=as_json)
    outcome = await talk.answer(parameters=AS_NAMED)
    assert (2, '{"name": "?"}') == (outcome.rounds, text(outcome))
    assert [AS_NAMED["response_format"]] * 2 == [
        request.parameters["response_format"] for request in talk.upstream.requests
    ]


async def test_a_models_own_first_answer_goes_out_in_whatever_shape(loop):
    """Lethe takes nothing from a model that keeps to no schema by itself."""
    outcome = await loop(["I cannot say."], verdict=as_json).answer(parameters=AS_NAMED)
    assert "I cannot say." == text(outcome)
