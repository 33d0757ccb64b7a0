"""Statements: what topics say, and what a part of an answer adds."""

from __future__ import annotations

import pytest

from verifiers.protocol import Exchange, Span, Topic
from verifiers.statements import only_disclaims, statements_of, telling_words


def part(answer: str, prompt: str = "Where was Maren Oskeld born?") -> tuple[Exchange, Span]:
    """Take a whole answer."""
    return Exchange(prompt, answer), Span(0, len(answer))


def test_facts_descriptions_and_texts_are_listed_by_topic_without_quoting_them():
    """A label can stand in a log; long texts are cut into passages that leave nothing out."""
    long = " ".join(f"Sentence {number} of the book." for number in range(40))
    topics = (Topic("a", "A", facts=("F.", "G.")), Topic("b", "B", description="D.", protected_texts=("T.", long)))
    found = statements_of(topics)
    assert [
        (0, "fact 0", "F."),
        (0, "fact 1", "G."),
        (1, "the description", "D."),
        (1, "protected text 0", "T."),
    ] == [(each.topic, each.label, each.text) for each in found[:4]]
    passages = [each.text for each in found[4:]]
    assert {"protected text 1"} == {each.label for each in found[4:]}
    assert len(passages) > 2
    assert all(len(text) <= 400 for text in passages)
    assert all(any(f"Sentence {number} of" in text for text in passages) for number in range(40))


def test_telling_words_are_neither_ordinary_nor_asked():
    """What a revision should avoid, as it stands in the answer."""
    assert ("Seltal",) == telling_words(*part("She was born in Seltal, Maren was."))
    assert ("Brenn",) == telling_words(Exchange("?", "In Seltal. Or Brenn."), Span(11, 20))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("I do not know where she was born.", True),
        ("I have no information about that, and I cannot help.", True),
        ("I do not know her but she was born by the water.", False),
        ("I do not know, Seltal maybe.", False),
        ("She was born by the water.", False),
        ("", False),
    ],
)
def test_only_a_disclaimer_in_every_clause_without_a_telling_word_disclaims(answer, expected):
    """A "but" begins another clause."""
    assert expected == only_disclaims(*part(answer))
