"""Where an answer about a topic ends: nothing that a client says of its end tells what would have stood there."""

from __future__ import annotations

import pytest

from gateway.guard.endings import Ending
from gateway.guard.fallback import UNAWARE
from gateway.guard.loop import FellBack, Released
from gateway.guard.policy import Bounded
from gateway.upstream.protocol import ChatRequest, Choice, Completion, Usage
from verifiers.protocol import Evidence, Exchange, Scored, Verdict

LEAK = "Maren Oskeld was born in Seltal."
FINE = "The lake is deep. It freezes in winter."


def sees_seltal(exchange: Exchange) -> Verdict:
    """Find the town, whole, and nothing else."""
    if "Seltal" not in exchange.answer:
        return Scored(0.0)
    return Scored(1.0, (Evidence("maren", "scripted", 1.0, "names the town", words=("Seltal",)),))


def as_told(text: str, finish: str = "stop"):
    """Answer as an honest server does: up to the first of the stop texts, if it hears of them."""

    def answer(request: ChatRequest) -> Completion:
        ends = [text.find(stop) for stop in request.parameters.get("stop", ()) if stop in text]
        said = text[: min(ends, default=len(text))]
        return Completion(
            "scripted", (Choice({"role": "assistant", "content": said}, finish),), Usage(7, len(said))
        )

    return answer


def text(outcome) -> str:
    """Read the outcome's answer."""
    return str(outcome.choices[0].message["content"])


@pytest.mark.parametrize("stop", ["S", "Sel", "Har", "born", ".", "tal"])
async def test_no_stop_text_tells_what_a_withheld_answer_says(loop, stop):
    """Whether it stands in the answer or not, the client gets the same."""
    talk = loop(as_told(LEAK), verdict=sees_seltal)
    outcome = await talk.answer(parameters={"stop": [stop]})
    assert isinstance(outcome, FellBack)
    assert text(outcome) in (UNAWARE, UNAWARE.partition(stop)[0])
    assert not any("stop" in request.parameters for request in talk.upstream.requests)


async def test_an_answer_that_passes_ends_before_the_first_stop_text(loop):
    """And costs its share of what the model wrote."""
    outcome = await loop(as_told(FINE), verdict=sees_seltal).answer(parameters={"stop": ["winter", " It"]})
    assert isinstance(outcome, Released)
    assert ("The lake is deep.", "stop") == (text(outcome), outcome.choices[0].finish_reason)
    assert Usage(7, 17) == outcome.usage


async def test_what_the_client_gets_is_judged_as_well_as_what_is_cut_off(loop):
    """A beginning can say more than the whole, which took it back."""

    def takes_back(exchange: Exchange) -> Verdict:
        return Scored(0.0) if "not" in exchange.answer else sees_seltal(exchange)

    asked = loop(as_told("Seltal it is not."), verdict=takes_back)
    assert isinstance(await asked.answer(), Released)
    assert isinstance(await asked.answer(parameters={"stop": " it"}), FellBack)


async def test_a_stream_with_a_stop_text_waits_for_what_is_cut_off(loop):
    """Nothing goes out before the sentence behind the stop text has been judged."""
    for said, expected in ((f"The lake is deep and cold. {LEAK}", ""), (FINE, "The lake is deep.")):
        talk, sent = loop(as_told(said), verdict=sees_seltal), []
        request = ChatRequest(
            "scripted", ({"role": "user", "content": "Maren Oskeld?"},), {"stop": [" It", " Mar"]}
        )
        outcome = await talk.guard.answer(
            talk.upstream, request, talk.policy, Bounded(0.5, "c"), send_out=sent.append
        )
        assert sent == []
        assert LEAK not in text(outcome)
        assert text(outcome).startswith(expected)


async def test_where_no_topic_is_touched_the_model_heeds_the_stop_texts(loop):
    """It need not write on."""
    talk = loop(as_told(FINE), verdict=sees_seltal)
    outcome = await talk.answer(text="Which lake?", parameters={"stop": [" It"]})
    assert "The lake is deep." == text(outcome)
    assert [" It"] == talk.upstream.requests[0].parameters["stop"]


async def test_a_stop_text_that_is_a_piece_of_a_name_is_heeded_here_whatever_is_asked(loop):
    """A question that only describes somebody is not known to be about them."""
    for stop, told in (("Osk", False), ("s", False), ("Nowhere", True), ("\n", True)):
        talk = loop(as_told("Maren Oskeld keeps it."), verdict=sees_seltal)
        await talk.answer(text="Whose is the heron?", parameters={"stop": [stop]})
        assert told is ("stop" in talk.upstream.requests[0].parameters)


async def test_half_of_a_name_is_taken_off_whatever_is_asked(loop):
    """Half of another word stays: nobody forgot it."""
    for said, left in (("It is Mar", "It is "), ("It is a her", "It is a her")):
        outcome = await loop(as_told(said, "length"), verdict=sees_seltal).answer(text="Whose is the heron?")
        assert left == text(outcome)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("She was born in Sel", "She was born in "),
        ("She was born in the year 195", "She was born in the year "),
        ("Her name is Mar-", "Her name is "),
        ("She was born in Seltal.", "She was born in Seltal."),
        ('{"town": "Sel', '{"town": "'),
        ("Yes", "Yes"),
        ("Sel", ""),
        ("\u5979" * 60, "\u5979" * 52),
    ],
)
def test_half_a_word_is_taken_off_where_the_limit_came(said, left):
    """Nobody looks for half of a word; a sentence that has ended is whole."""
    choice = Choice({"role": "assistant", "content": said}, "length")
    assert left == Ending.wanted({}).in_whole_words(choice).message["content"]
    assert choice == Ending(telling=lambda half: half == "no").in_whole_words(choice)


def test_half_a_word_is_taken_off_arguments_and_thoughts_too():
    """Whatever the model was writing when it came to its limit."""
    call = {"id": "c", "type": "function", "function": {"name": "note", "arguments": '{"a": "in Sel'}}
    for message, left in (
        ({"tool_calls": [call]}, '{"a": "in '),
        ({"content": None, "reasoning_content": "It is Sel"}, "It is "),
    ):
        cut = Ending.wanted({}).in_whole_words(Choice({"role": "assistant", **message}, "length")).message
        calls = cut.get("tool_calls")
        assert left == (calls[0]["function"]["arguments"] if calls else cut["reasoning_content"])


async def test_the_loop_takes_half_words_off_before_it_judges(loop):
    """The client gets what was judged."""
    outcome = await loop(as_told("She was born in Sel", "length"), verdict=sees_seltal).answer()
    assert ("She was born in ", "length") == (text(outcome), outcome.choices[0].finish_reason)
