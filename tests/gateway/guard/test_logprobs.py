"""Logprobs go out only where every word that they hold could be judged, and nothing was found."""

import math
from dataclasses import replace

import pytest

from gateway.guard.logprobs import weighed
from gateway.guard.plan import LoopPlan
from gateway.upstream.protocol import Choice, Completion
from verifiers.protocol import Abstained, Evidence, Scored

VERIFYING = LoopPlan(logprobs=True)


def word(token, logprob=-0.5, **fields):
    """One word as a chat has it."""
    return {"token": token, "logprob": logprob, **fields}


def place(token, *others):
    """One place of an answer, with the words beside the one that was chosen."""
    return {**word(token), "top_logprobs": [word(token), *(word(other, -2.0) for other in others)]}


def chat(*places):
    """The logprobs of a chat's choice."""
    return {"logprobs": {"content": list(places)}}


def completion(*tokens, beside=None):
    """The logprobs of a text completion's choice."""
    numbers = [-0.5] * len(tokens)
    return {"logprobs": {"tokens": list(tokens), "token_logprobs": numbers, "top_logprobs": beside}}


def said(content, extras):
    """A model's answer with something beside its text."""
    return Completion("scripted", (Choice({"role": "assistant", "content": content}, "stop", extras),))


def finds_seltal(exchange):
    """Find the town, whole and together, wherever it is written."""
    if "abstain" in exchange.answer:
        return Abstained("asked to")
    found = 1.0 if "Seltal" in exchange.answer else 0.0
    return Scored(found, (Evidence("maren", "scripted", found, "says it"),) if found else ())


async def beside(loop, completion, text="What is the weather?", plan=VERIFYING, **fields):
    """What a client finds beside the answer to a question that no topic is touched by."""
    outcome = await loop([completion] * 5, plan=plan, verdict=finds_seltal, **fields).answer(text=text)
    return outcome.choices[0].extras


HARMLESS = chat(place("It", "Well"), place(" rains", " snows", " pours"))


async def test_harmless_logprobs_go_out_as_they_came(loop):
    """Token, number, bytes and every alternative are there."""
    found = await beside(loop, said("It rains", HARMLESS))
    content = found["logprobs"]["content"]
    assert [one["token"] for one in content] == ["It", " rains"]
    assert [one["token"] for one in content[1]["top_logprobs"]] == [" rains", " snows", " pours"]
    assert content[1]["top_logprobs"][2] == {"token": " pours", "logprob": -2.0, "bytes": list(b" pours")}


async def test_they_are_removed_unless_the_plan_says_otherwise(loop):
    """By default no client can tell which conversations touch a topic."""
    assert await beside(loop, said("It rains", HARMLESS), plan=LoopPlan()) == {}


async def test_a_conversation_that_touches_a_topic_keeps_none(loop):
    """Their numbers say what the model thinks probable, whatever the words are."""
    assert await beside(loop, said("It rains", HARMLESS), "Where was Maren Oskeld born?") == {}


@pytest.mark.parametrize(
    "places",
    [
        [place("It", " Seltal"), place(" rains")],
        [place("It"), place(" rains", " Seltal")],
        [place("It", " Sel"), place(" rains", "tal")],
        [place("It", "a", " Sel"), place(" rains", "b", "tal")],
    ],
    ids=["first", "last", "over-two-places", "in-the-second-rank"],
)
async def test_a_word_beside_the_answer_that_tells_takes_them_all_away(loop, places):
    """The answer itself goes out: nothing is wrong with it."""
    scripted = loop([said("It rains", chat(*places))], plan=VERIFYING, verdict=finds_seltal)
    outcome = await scripted.answer(text="What is the weather?")
    assert outcome.choices[0].extras == {}
    assert outcome.choices[0].message["content"] == "It rains"


async def test_a_word_is_judged_behind_the_part_of_a_word_that_stands_before_it(loop):
    """An alternative that ends a word which the answer began says that word."""
    told = said("in Selmark", chat(place("in"), place(" Sel"), place("mark", "tal")))
    assert await beside(loop, told) == {}


async def test_a_judge_that_abstains_on_them_takes_them_away(loop):
    """What could not be judged does not go out; the answer had been."""
    assert await beside(loop, said("It rains", chat(place("It", "abstain"), place(" rains")))) == {}


async def test_a_text_completions_logprobs_are_read_in_their_own_shape(loop):
    """They go out in it too, with offsets of their own."""
    good = completion("It", " rains", beside=[{"It": -0.5, "Well": -2.0}, {" rains": -0.5}])
    found = await beside(loop, said("It rains", good))
    assert found == {
        "logprobs": {
            "tokens": ["It", " rains"],
            "token_logprobs": [-0.5, -0.5],
            "top_logprobs": [{"It": -0.5, "Well": -2.0}, {" rains": -0.5}],
            "text_offset": [0, 2],
        }
    }
    bad = completion("It", " rains", beside=[{"It": -0.5, "Seltal": -2.0}, None])
    assert await beside(loop, said("It rains", bad)) == {}


def read(content, extras):
    """The tokens that were read, or None."""
    found = weighed(extras, content)
    return found and [place.chosen.text for place in found.places]


def test_what_stands_behind_the_answer_is_left_out():
    """Servers count the mark of the end as a word."""
    assert read("It rains", chat(place("It"), place(" rains"), place("</s>", " Seltal"))) == ["It", " rains"]
    assert "Seltal" not in weighed(chat(place("It"), place("</s>", " Seltal")), "It").text


@pytest.mark.parametrize(
    "extras",
    [
        {},
        {"logprobs": None},
        {"logprobs": "Seltal"},
        {"logprobs": {"content": "Seltal"}},
        {"logprobs": {"content": [["Seltal"]]}},
        chat(place("Seltal")),
        chat(place("It")),
        chat(place(""), place("It"), place(" rains")),
        chat(word("It"), {"token": " rains"}),
        chat(word("It"), word(" rains", logprob="Seltal")),
        chat(word("It"), word(" rains", logprob=math.nan)),
        chat(word("It"), word(" rains", logprob=True)),
        chat(word("It"), word(" rains", bytes=list(b"Seltal"))),
        chat(word("It"), word(" rains", bytes="Seltal")),
        chat(word("It"), word(" rains", bytes=[999])),
        chat(word("It"), {**word(" rains"), "top_logprobs": [{"token": 5, "logprob": -1.0}]}),
        chat(word("It"), {**word(" rains"), "top_logprobs": {"Seltal": 1}}),
        chat(word("It"), word(" rains\ud800")),
        completion("It"),
        completion("It", " rains", beside=[None]),
        completion("It", " rains", beside=["Seltal", None]),
        {"logprobs": {"tokens": "It rains", "token_logprobs": [], "top_logprobs": None}},
    ],
)
def test_a_shape_in_which_text_could_hide_is_not_read(extras):
    """Nothing of it is guessed at."""
    assert read("It rains", extras) is None


def test_what_is_in_no_field_that_was_read_is_not_written_again():
    """They are built anew, whatever else a server put beside them."""
    more = chat({**place("It"), "note": "Seltal"})
    more["logprobs"] |= {"refusal": [word("Seltal")], "note": "Seltal"}
    found = weighed(more, "It")
    assert found.extras == {"logprobs": {"content": [{**place_bytes("It")}], "refusal": None}}


def place_bytes(token):
    """A place as it is written: with bytes."""
    one = {**word(token), "bytes": list(token.encode())}
    return {**one, "top_logprobs": [one]}


def test_bytes_say_what_a_word_is():
    """A server may show the parts of a letter in signs of its own; the bytes spell the answer."""
    halves = [word(r"bytes:\xc3", bytes=[0xC3]), word(r"bytes:\xa9", bytes=[0xA9])]
    found = weighed(chat(*halves), "é")
    assert [one["bytes"] for one in found.extras["logprobs"]["content"]] == [[0xC3], [0xA9]]


def test_too_much_to_judge_is_not_read():
    """Ten thousand places with twenty words each take longer than an answer may."""
    many = place("a", *(f" word{index}" for index in range(20)))
    assert read("a" * 10_000, chat(*[many] * 10_000)) is None
    assert read("a" * 100, chat(*[many] * 100)) == ["a"] * 100


async def test_a_refined_answer_has_none(loop):
    """Its instruction speaks of what was found, and so do the words beside it."""
    script = [said("Seltal", HARMLESS), said("It rains", HARMLESS)]
    outcome = await loop(script, plan=replace(VERIFYING, rounds=2), verdict=finds_seltal).answer(text="Hello?")
    assert (outcome.rounds, outcome.choices[0].extras) == (2, {})
