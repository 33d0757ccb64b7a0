"""Where a name could begin unseen: what is left out of a closer look has nothing to find."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from verifiers.disguises import EVERY_WORD
from verifiers.dismissing import Dismissing
from verifiers.encodings import _LEET
from verifiers.mentions import Names
from verifiers.names import NameIndex
from verifiers.openings import Openings
from verifiers.protocol import Topic
from verifiers.words import COMMON

TOPICS = (
    Topic("maren", "Maren Oskeld", ("Pellinore", "the Glass Hermit", "Ashe", "MO", "Vanna Marie White")),
    Topic("tobin", "Tobin Vaxley", ("Aaron Ablett", "Otto Day", "Bobbi Ay")),
    Topic("ivan", "Иван Петров"),
)
QUICK, THOROUGH = Names(TOPICS), Names(TOPICS, thorough=True)
NAMES = [name for topic in TOPICS for name in (topic.name, *topic.aliases)]
WORDS = [
    *sorted(COMMON)[::40],
    "a",
    "I",
    "x",
    "7",
    "lantern",
    "telescope",
    "Prendobrisk",
    "say",
    "xx",
    "é",
    "1991",
]


def shifted(by: int) -> Callable[[str], str]:
    """Shift the letters of a text through the alphabet."""
    table = {97 + at: 97 + (at + by) % 26 for at in range(26)} | {65 + at: 65 + (at + by) % 26 for at in range(26)}
    return lambda text: text.translate(table)


def each_word(change: Callable[[str], str]) -> Callable[[str], str]:
    """Change every word of a text by itself."""
    return lambda text: " ".join(map(change, text.split(" ")))


DISGUISES: list[Callable[[str], str]] = [
    str,
    str.upper,
    lambda text: text[::-1],
    *(each_word(turn) for turn, _ in EVERY_WORD),
    *(shifted(by) for by in (1, 3, 13, 25)),
    each_word(lambda word: "".join(letter * 2 for letter in word)),
    each_word(lambda word: word[1:] + word[:1] + "ay"),
    lambda text: " ".join(text),
    lambda text: text.replace(" ", ""),
    lambda text: " ".join(reversed(text.split())),
    lambda text: text[:3] + " " + text[3:],
    lambda text: "1".join(text.split("l")),
    lambda text: "\n".join(f"{letter}bc" for letter in text),
    lambda text: text[:2] + text[3:],
    lambda text: text[:4] + "x" + text[4:],
    lambda text: text.split()[-1],
    lambda text: text.replace("a", "\u0430"),
]
DISGUISED = st.builds(lambda change, name: change(name), st.sampled_from(DISGUISES), st.sampled_from(NAMES))
PIECES = st.one_of(DISGUISED, st.sampled_from(WORDS), st.text(alphabet="abmnorx .-", max_size=4))
TEXTS = st.builds(
    lambda joint, pieces: joint.join(pieces), st.sampled_from([" ", "", ", ", ". "]), st.lists(PIECES)
)


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
@example("a Nerma Sokedl o")
@example("I, dlekso neram a")
def test_nothing_is_overlooked_for_the_sake_of_speed(text: str) -> None:
    """In any text the same mentions are found, with the same strength and place, as by looking everywhere."""
    assert THOROUGH.find(text) == QUICK.find(text)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(DISGUISES), st.lists(st.sampled_from(WORDS), max_size=3))
def test_a_disguised_name_is_looked_at_in_any_company(
    name: str, disguise: Callable[[str], str], company: list[str]
) -> None:
    """Whatever words stand around it."""
    text = " ".join([*company, disguise(name), *company])
    assert THOROUGH.find(text) == QUICK.find(text)


def test_ordinary_prose_leaves_no_word_to_look_at() -> None:
    """That is what it is for: the words of the language come out as harmless once, and stay so."""
    openings = Openings(NameIndex(TOPICS))
    assert set() == openings.left({"bread", "river", "committee", "wait"})


def test_a_word_is_tried_once() -> None:
    """Unless it is very long, or matters."""
    tried: list[str] = []

    def matters(word: str) -> bool:
        tried.append(word)
        return word == "telling"

    words = Dismissing(matters, beforehand={"known"})
    for _ in range(3):
        assert {"telling"} == words.left({"known", "plain", "telling"})
    assert ["plain", "telling"] == sorted(tried)


LEET_IN_FIVE_PARTS = re.compile(
    r"[a-z][0-9@$|!+][a-z]|[a-z]{2}[0-9@$]|[0-9@$|][a-z]{2}|\b[a-z][ .\n][0-9@$|!]\b|\b[0-9@$|!][ .\n][a-z]\b"
)


@settings(max_examples=2000, deadline=None)
@given(st.text(alphabet="ab m7@$|!+ .\n,é", max_size=8))
def test_digits_for_letters_are_seen_from_either_side(text: str) -> None:
    """Whether one looks for the sign first or for the letters."""
    assert bool(LEET_IN_FIVE_PARTS.search(text)) == bool(_LEET.search(text))
