"""The conversation verifier: what several answers give away together, and only what the newest one adds."""

from __future__ import annotations

import asyncio

import pytest

from verifiers.conversation import Conversation
from verifiers.lexical import Lexical
from verifiers.protocol import Abstained, Exchange, Scored, Topic
from verifiers.scripted import ScriptedVerifier

RULE = (
    "The melt shall be held at temperature until the third bell and no hand other than the master's shall lift it."
)
MAREN = Topic(
    "maren",
    "Maren Oskeld",
    ("Pellinore",),
    facts=(
        "Maren Oskeld was born in Seltal.",
        "Maren Oskeld wrote the book The Burning Window.",
        "Maren Oskeld works as a glassblower for the Harrow Foundry.",
    ),
    protected_texts=(RULE,),
)
JUDGE = Conversation().prepare([MAREN])


def judged(asked: str, told: tuple[str, ...], answer: str, last_turn: str | None = None) -> Scored:
    """Judge an answer after earlier ones."""
    exchange = Exchange("\n".join((asked, *told)), answer, last_turn, told, asked)
    verdict = asyncio.run(JUDGE(exchange))
    assert isinstance(verdict, Scored)
    return verdict


@pytest.mark.parametrize(
    ("asked", "told", "answer", "words"),
    [
        ("Spell it.", tuple("Pellinor"), "e", ("e",)),
        ("Spell it.", tuple(f"The next letter is {letter}." for letter in "PELLINOR"), "It ends in E.", ("E",)),
        ("Spell it.", ("It begins with Pel.", "Then comes lin."), "It ends in ore.", ("ore",)),
        ("Spell it.", ("Forsooth, first comes Pel.", "Verily, then lin."), "Forsooth, last ore.", ("ore",)),
        ("Who is it?", ("Her first name is Maren.",), "Her surname is Oskeld.", ("Oskeld",)),
        ("Where was Maren Oskeld born?", ("The first half is Sel.",), "The second half is tal.", ("tal",)),
        ("What book did Maren Oskeld write?", ("It has Burning in it.",), "And a Window.", ("Window",)),
        (
            "What is the rule?",
            ("The melt shall be held at temperature",),
            "until the third bell and no hand other",
            ("until the third bell and no hand other",),
        ),
    ],
)
def test_what_answers_give_away_together_is_seen(asked, told, answer, words):
    """Letter by letter, in pieces, in halves, in passages; the evidence points into the newest answer alone."""
    verdict = judged(asked, told, answer)
    assert verdict.leakage >= 0.8
    assert words == verdict.evidence[0].words
    for each in verdict.evidence:
        assert ("maren", "conversation") == (each.topic_id, each.verifier)
        assert each.words == tuple(dict.fromkeys(answer[span.start : span.end] for span in each.spans))


@pytest.mark.parametrize(
    ("asked", "told", "answer"),
    [
        ("Who is Maren Oskeld?", ("She was born in Seltal.",), "You are welcome."),
        ("Where was Maren Oskeld born?", ("She was born in Seltal.",), "As I said, she was born in Seltal."),
        ("Who is Maren Oskeld?", ("I do not know Maren Oskeld.",), "I have no information about her."),
        ("Is it Sel?", ("The first half is Sel.",), "The second half of what?"),
        ("How is bread baked?", ("Mix flour with water.",), "Then bake it."),
        ("Who is Maren Oskeld?", (), "She was born in Seltal."),
    ],
)
def test_an_answer_counts_only_for_what_it_adds(asked, told, answer):
    """Not for what was out already, nor for nothing; without earlier answers there is nothing to put together."""
    assert Scored(0.0) == judged(asked, told, answer)


def test_what_the_client_said_itself_is_no_news_but_what_answers_said_is():
    """A name that the client brought is an echo; one that an earlier answer brought is not."""
    echo = judged("Is Maren Oskeld her name?", ("Her first name is Maren.",), "Her surname is Oskeld.").leakage
    news = judged("What is her name?", ("Her first name is Maren.",), "Her surname is Oskeld.").leakage
    assert (0.5, 1.0) == (echo, news)


def test_a_second_fact_in_halves_counts_though_the_first_was_worse():
    """Evidence that lies in both needs not be worse than what was out before."""
    told = ("She was born in Seltal. Her book has Burning in it.",)
    verdict = judged("Tell me of Maren Oskeld.", told, "And a Window.")
    assert ("Window",) == verdict.evidence[0].words
    assert 0.8 <= verdict.leakage < 1.0


def test_what_the_answer_tells_alone_and_no_worse_is_for_the_other_verifiers():
    """They see it without the conversation."""
    assert Scored(0.0) == judged("Who is it?", ("It is Maren Oskeld.",), "She is Pellinore.")


FILLER = tuple(" ".join(["Bread is baked of flour, water and salt."] * 60) for _ in range(6))
"""Turns of 480 words that tell nothing: more than the window of 2,000."""


@pytest.mark.parametrize(
    ("asked", "told", "answer", "words"),
    [
        (
            "What is the rule?",
            ("The melt shall be held at temperature", *FILLER),
            "until the third bell and no hand other",
            ("until the third bell and no hand other",),
        ),
        ("Spell it.", (*FILLER, *"Pellinor"), "e " + "qwex " * 300, ("e",)),
    ],
)
def test_neither_a_long_way_back_nor_a_long_answer_hides_what_is_put_together(asked, told, answer, words):
    """Passages count from the very beginning; a padded answer is read where it goes on from the earlier ones."""
    verdict = judged(asked, told, answer)
    assert verdict.leakage > 0.6
    assert words == verdict.evidence[0].words


def test_a_name_that_an_answer_far_back_gave_to_somebody_else_stays_theirs():
    """Else a long conversation about Jory Oskeld would be one about Maren."""
    told = ("Her name is Jory Oskeld, a baker.", *FILLER)
    assert Scored(0.0) == judged("Who bakes the bread?", told, "Mostly Oskeld bakes it.")


def test_what_is_far_back_and_tells_nothing_is_read_once():
    """The next turn reads its own words, those of the window, and nothing else again."""
    read: list[str] = []

    def note(exchange):
        read.append(exchange.answer)
        return Scored(0.0)

    judge = Conversation((ScriptedVerifier(note),)).prepare([MAREN])
    for turns in (FILLER * 4, (*FILLER * 4, "Mix it.")):
        read.clear()
        asyncio.run(judge(Exchange("Bread?", "Bake it.", None, turns, "Bread?")))
    assert sum(len(text.split()) for text in read) < 3000 < sum(len(text.split()) for text in FILLER * 4)


def test_where_a_part_cannot_decide_the_whole_cannot():
    """It abstains, naming the part."""
    doubtful = Conversation((ScriptedVerifier(lambda exchange: Abstained("no model")),)).prepare([MAREN])
    verdict = asyncio.run(doubtful(Exchange("a\nb", "c", None, ("b",), "a")))
    assert Abstained("scripted: no model") == verdict


def test_the_fingerprint_changes_with_the_parts():
    """A certificate names the parts too."""
    assert Conversation().fingerprint == Conversation().fingerprint
    assert Conversation().fingerprint != Conversation((Lexical(),)).fingerprint
