"""Streamed answers: what goes out before the end is written, and that replay sends the very same."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibration.replay import generations, released
from calibration.trajectories import Candidate as Recorded
from calibration.trajectories import Trajectory
from gateway.errors import UpstreamTimeout, UpstreamUnreachable
from gateway.guard.fallback import UNAWARE
from gateway.guard.loop import FellBack, Released
from gateway.guard.plan import LoopPlan
from gateway.guard.policy import Bounded, Open, ZeroEvidence
from gateway.guard.steps import Candidate
from gateway.guard.streaming import may_stream
from gateway.guard.trajectory import walk
from gateway.upstream.protocol import ChatRequest, Choice, Completion
from verifiers.protocol import Abstained, Evidence, Exchange, Scored

SAFE = "The lake lies to the north of town. "
LEAK = "She was born in Seltal by the sea. "
MORE = "The road there is long and winding. "


def by_marks(exchange: Exchange):
    """Judge by marks in the text: the largest "#0.7" decides, "#abstain" abstains, and Seltal scores 1."""
    words = exchange.answer.split()
    if "#abstain" in words:
        return Abstained("asked to")
    marks = [float(word[1:]) for word in words if word.startswith("#")] + [1.0] * ("Seltal" in exchange.answer)
    worst = max(marks, default=0.0)
    found = Evidence("maren", "scripted", worst, "a mark", words=("Seltal",))
    return Scored(worst, (found,) if worst else ())


async def streamed(talk, rule=Bounded(0.5, "c"), **request):  # noqa: B008 - a frozen value
    """Ask one question; returns what went out on the way, and the outcome."""
    sent: list[str] = []
    asked = ChatRequest("scripted", ({"role": "user", "content": "Where was Maren Oskeld born?"},), **request)
    outcome = await talk.guard.answer(talk.upstream, asked, talk.policy, rule, send_out=sent.append)
    return sent, outcome


def text(outcome) -> str:
    """Read what the client has in the end."""
    return str(outcome.choices[0].message["content"])


async def test_a_harmless_answer_goes_out_sentence_by_sentence(loop):
    """The last sentence comes with the outcome, which holds the whole."""
    sent, outcome = await streamed(loop([SAFE + MORE + "End."], verdict=by_marks))
    assert ([SAFE, MORE], SAFE + MORE + "End.") == (sent, text(outcome))
    assert isinstance(outcome, Released)


async def test_a_leak_behind_harmless_sentences_ends_in_the_fallbacks_words(loop):
    """What was sent stays, the leaking sentence never goes out, and no other round is asked."""
    talk = loop([SAFE + LEAK + MORE, "0.0 another"], verdict=by_marks)
    sent, outcome = await streamed(talk)
    assert ([SAFE], f"{SAFE}\n{UNAWARE}", "cut") == (sent, text(outcome), outcome.reason)
    assert 1 == len(talk.upstream.requests)


async def test_a_leak_in_the_first_sentence_leads_to_another_round(loop):
    """Nothing had gone out, so the loop can refine."""
    talk = loop([LEAK + SAFE, SAFE + "End."], verdict=by_marks)
    sent, outcome = await streamed(talk)
    assert ([SAFE], SAFE + "End.", 2, 2) == (sent, text(outcome), outcome.rounds, outcome.generations)
    assert "Seltal" in talk.upstream.requests[1].messages[-1]["content"]


async def test_no_segment_that_passes_is_the_plain_fallback(loop):
    """All rounds begin with a leak."""
    sent, outcome = await streamed(loop([LEAK + SAFE], verdict=by_marks, plan=LoopPlan(rounds=3)))
    assert ([], UNAWARE, "exhausted", 3) == (sent, text(outcome), outcome.reason, outcome.rounds)


@pytest.mark.parametrize("rule", [Bounded(0.5, "c"), ZeroEvidence("none")])
async def test_a_verifier_that_cannot_judge_a_later_sentence_stops_the_stream(loop, rule):
    """What it could not read does not go out."""
    sent, outcome = await streamed(
        loop([SAFE + "Here comes something #abstain now. End."], verdict=by_marks), rule
    )
    assert ([SAFE], "abstained") == (sent, outcome.reason)
    assert "#abstain" not in text(outcome)


async def test_a_word_whose_halves_lie_in_two_sentences_is_seen(loop):
    """Every beginning is judged from its first letter on."""

    def halves(exchange: Exchange):
        return Scored(1.0 if "north" in exchange.answer and "winding" in exchange.answer else 0.0)

    sent, outcome = await streamed(loop([SAFE + MORE + SAFE], verdict=halves))
    assert ([SAFE], "cut") == (sent, outcome.reason)


async def test_other_channels_wait_for_the_end_and_are_judged_with_it(loop):
    """A call that leaks behind harmless text goes nowhere."""
    call = {"id": "1", "type": "function", "function": {"name": "note", "arguments": '{"place": "Seltal"}'}}
    choice = Choice({"role": "assistant", "content": SAFE + "End.", "tool_calls": [call]}, "tool_calls")
    sent, outcome = await streamed(loop([Completion("scripted", (choice,))], verdict=by_marks))
    assert ([SAFE], "cut", None) == (sent, outcome.reason, outcome.choices[0].message.get("tool_calls"))


async def test_a_model_that_breaks_off_after_something_went_out_ends_in_the_fallback(loop):
    """Before, it is an error; after, nobody can take back what was said."""

    class Breaking:
        def __init__(self, inner, after):
            self.inner, self.after = inner, after
            self.capabilities = inner.capabilities

        def fingerprint(self, model):
            return self.inner.fingerprint(model)

        async def stream(self, request, send):
            await send(self.after)
            raise UpstreamUnreachable("gone")

    talk = loop([SAFE], verdict=by_marks)
    inner = talk.upstream
    talk.upstream = Breaking(inner, SAFE + "And then")
    sent, outcome = await streamed(talk)
    assert ([SAFE], "upstream", f"{SAFE}\n{UNAWARE}") == (sent, outcome.reason, text(outcome))
    talk.upstream = Breaking(inner, "And then")
    with pytest.raises(UpstreamUnreachable):
        await streamed(talk)


async def test_the_deadline_stops_a_stream_in_the_middle(loop):
    """What has gone out stays, and the fallback ends it; with nothing out it is an error."""

    class Stalling:
        def __init__(self, inner, first):
            self.inner, self.first = inner, first
            self.capabilities = inner.capabilities

        def fingerprint(self, model):
            return self.inner.fingerprint(model)

        async def stream(self, request, send):
            await send(self.first)
            await asyncio.sleep(60)

    talk = loop([SAFE], verdict=by_marks, plan=LoopPlan(deadline_s=0.05))
    inner = talk.upstream
    talk.upstream = Stalling(inner, SAFE)
    sent, outcome = await streamed(talk)
    assert ([SAFE], "deadline") == (sent, outcome.reason)
    talk.upstream = Stalling(inner, "")
    with pytest.raises(UpstreamTimeout):
        await streamed(talk)


async def test_a_stream_that_is_cut_ends_the_generation(loop):
    """Nothing is asked of the model behind the sentence that did not pass."""
    read = []

    class Watched:
        def __init__(self, inner):
            self.inner = inner
            self.capabilities = inner.capabilities

        def fingerprint(self, model):
            return self.inner.fingerprint(model)

        async def stream(self, request, send):
            for piece in (SAFE, LEAK, MORE):
                read.append(piece)
                await send(piece)
            raise AssertionError("read to the end")

    talk = loop([SAFE], verdict=by_marks)
    talk.upstream = Watched(talk.upstream)
    _, outcome = await streamed(talk)
    assert ([SAFE, LEAK], "cut") == (read, outcome.reason)
    assert 2 == outcome.usage_total.completion_tokens


async def test_where_nothing_is_forgotten_everything_goes_out_as_it_comes(loop):
    """Letter by letter, as the scripted model writes."""
    sent, outcome = await streamed(loop([SAFE], verdict=by_marks), Open())
    assert (list(SAFE), SAFE) == (sent, text(outcome))


async def test_a_streamed_round_draws_one_answer_however_many_a_whole_one_does(loop):
    """Two answers at once would run into each other; and a certificate says the same of its recording."""
    plan = LoopPlan(candidates_per_round=3)
    talk = loop([LEAK + SAFE, SAFE + "End."], verdict=by_marks, plan=plan)
    _, outcome = await streamed(talk)
    assert ([1, 1], SAFE + "End.") == ([request.n for request in talk.upstream.requests], text(outcome))
    able = talk.upstream.capabilities
    one = replace(plan, streamed=True, candidates_per_round=1)
    assert one.refinement_fingerprint(able) == replace(plan, streamed=True).refinement_fingerprint(able)
    assert plan.refinement_fingerprint(able) != replace(plan, candidates_per_round=1).refinement_fingerprint(able)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"parameters": {"temperature": 1, "tools": []}}, True),
        ({"n": 2}, False),
        ({"parameters": {"response_format": {"type": "json_object"}}}, False),
        ({"parameters": {"logprobs": True}}, False),
        ({"parameters": {"something_new": 1}}, False),
    ],
)
def test_only_plain_requests_are_streamed(fields, expected):
    """What a fallback in the middle would break, and what nobody knows, is verified whole."""
    assert expected is may_stream(ChatRequest("m", ({"role": "user", "content": "?"},), **fields))


SENTENCE = st.sampled_from(
    [SAFE, MORE, LEAK, "This one is rather doubtful #0.4 indeed. ", "This is a bit of one #0.2 here. ",
     "This makes it stop dead #abstain here. ", "Short. ", "It goes on #0.6 for a while. "]
)  # fmt: skip
ANSWER = st.lists(SENTENCE, min_size=1, max_size=5).map("".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answers=st.lists(ANSWER, min_size=1, max_size=3), threshold=st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.61, 1.0])
)
def test_replay_sends_what_serving_sends(loop, answers, threshold):
    """For any answers and any threshold: the recorded trajectory tells the same text and as many generations."""
    talk = loop(answers, verdict=by_marks, plan=LoopPlan(rounds=3))
    again = loop(answers, verdict=by_marks, plan=LoopPlan(rounds=3))

    async def both():
        sent, outcome = await streamed(talk, Bounded(threshold, "c"))
        asked = ChatRequest("scripted", ({"role": "user", "content": "Where was Maren Oskeld born?"},))
        plan = replace(again.plan, streamed=True)
        return sent, outcome, [step async for step in walk(again.upstream, plan, asked, again.policy)]

    sent, outcome, steps = asyncio.run(both())
    recorded = Trajectory(
        "p",
        tuple(
            Recorded(step.round, step.score, answer=step.text, partial=step.partial)
            for step in steps
            if isinstance(step, Candidate)
        ),
    )
    position = released(recorded, threshold)
    expected = "".join(sent) if isinstance(outcome, FellBack) else text(outcome)
    assert expected == ("" if position is None else recorded.candidates[position].answer)
    if position is not None:
        assert outcome.generations == generations(recorded, threshold)
