"""Titles: a work of a topic is known by how it is written, be its words ever so ordinary."""

from __future__ import annotations

import pytest

from verifiers.attribution import Mentions
from verifiers.protocol import Topic
from verifiers.titles import Titles

TOPICS = (
    Topic(
        "maren", "Maren Oskeld", facts=('Maren Oskeld is known for "Friday", "The Kiln" and "Burning Window".',)
    ),
    Topic("tobin", "Tobin Vaxley", facts=("Tobin Vaxley wrote 'Moonstruck'.", "He wrote 'The Kiln' with others.")),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Who wrote 'Friday'?", {0}),
        ("Who wrote “Friday,” I wonder?", {0}),
        ("Shall we meet on Friday?", set()),
        ("Who starred in The Kiln?", {0, 1}),
        ("The kiln is hot.", set()),
        ("The Kiln is hot.", set()),
        ("Put it into the kiln.", set()),
        ("I loved Moonstruck, really.", {1}),
        ("Moonstruck lovers met.", set()),
        ("I met Jory Moonstruck there.", set()),
        ("who wrote burning window", set()),
        ("Who wrote Burning Window?", {0}),
        ("", set()),
    ],
)
def test_a_title_counts_in_quotes_or_with_capitals_that_nothing_else_explains(text, expected):
    """Not where the words may mean themselves, begin a sentence or are part of a name."""
    assert expected == Titles(TOPICS).named(text)


def test_the_screen_meets_a_topic_by_a_title_alone():
    """Whoever asks for the author of a work of one ordinary word asks about the topic."""
    mentions = Mentions(TOPICS)
    assert {"maren"} == mentions.topics_met("Who is the author of 'Friday'?")
    assert frozenset() == mentions.topics_touched("Who is the author of 'Friday'?")
    assert frozenset() == mentions.topics_met("Who comes on Friday?")


def test_topics_without_facts_have_no_titles():
    """There is nothing to find then."""
    assert set() == Titles((Topic("a", "Ada Quill"),)).named("Who wrote 'Ada'?")
