"""What is remembered of a text: what was found in it, for as many texts as there is room for."""

from __future__ import annotations

import pytest

from verifiers.attribution import Mentions
from verifiers.protocol import Exchange, Topic
from verifiers.remembering import Remembered


@pytest.fixture
def looked():
    """Every text that was looked at, in order."""
    return []


@pytest.fixture
def lengths(looked):
    """Find the length of a text, times a factor, and remember three."""

    def find(text, factor):
        looked.append(text)
        return len(text) * factor

    return Remembered(find, most=3)


def test_a_text_is_looked_at_once(lengths, looked):
    """However often it comes."""
    assert [3, 3, 3] == [lengths("abc", 1) for _ in range(3)]
    assert ["abc"] == looked


def test_the_same_text_beside_something_else_is_looked_at_again(lengths):
    """What is found may depend on both."""
    assert (3, 6) == (lengths("abc", 1), lengths("abc", 2))


def test_the_text_that_was_longest_unused_is_forgotten(lengths, looked):
    """Of four texts, with room for three, the one that was asked for again stays."""
    for text in ("a", "b", "c", "a", "d", "a", "b"):
        lengths(text, 1)
    assert ["a", "b", "c", "d", "b"] == looked


def test_half_a_character_has_a_digest_as_well(lengths):
    """Bodies can hold such a thing."""
    assert 1 == lengths("\ud800", 1)


def test_no_text_is_kept(lengths):
    """Only its digest and what was found."""
    lengths("a conversation about Maren Oskeld", 1)
    assert "Maren" not in repr(lengths._found)


def test_an_exchange_is_understood_the_same_the_second_time():
    """The names and the topics of a conversation do not depend on whether it was seen before."""
    topics = (Topic("maren", "Maren Oskeld", facts=("Maren Oskeld was born in Seltal.",)),)
    exchange = Exchange("Hello.\nWho is Maren Oskeld?\nAnd who was born in Seltal?", "She was.", "Who is it?")
    known = Mentions(topics)
    assert known.pointing(exchange) == known.pointing(exchange) == Mentions(topics).pointing(exchange)
