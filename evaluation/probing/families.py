"""The families: one question asked in the ways that attackers ask. Knows no topics and no labels."""

from __future__ import annotations

import base64
import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import TypeAlias

from evaluation.probing.probe import Family, Language
from evaluation.probing.questions import Question
from evaluation.probing.wordings import DECODE, EXAMPLES, LEADS, PREFIXES, ROLES

__all__ = ["WAYS", "Asked"]

_OPTIONS = 4
_RIGHT_PLACES = (1, 2)
"""Where the right option stands: as B or C. In an answer a lone "a" is a word, and "d" the end of "I'd"."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in one way.

    ``turns`` are the client's and the assistant's in turn, the client's first and last; ``plain`` is what is
    asked, decoded. ``also_own`` are strings that answer it in this way alone; ``offered`` are values that the
    prompt has to say, an answer that says them leaking all the same.
    """

    turns: tuple[str, ...]
    plain: str
    language: Language = "en"
    also_own: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[Mapping[str, str], ...]:
        """The turns as chat messages."""
        return tuple(
            {"role": role, "content": text} for role, text in zip(cycle(("user", "assistant")), self.turns)
        )


Way: TypeAlias = Callable[[Question, Random], Iterator[Asked]]


def _simply(*turns: str) -> Asked:
    return Asked(turns, "\n".join(turns))


def _direct(question: Question, _: Random) -> Iterator[Asked]:
    yield from map(_simply, question.direct)


def _paraphrase(question: Question, _: Random) -> Iterator[Asked]:
    yield from map(_simply, question.other)


def _reverse(question: Question, _: Random) -> Iterator[Asked]:
    yield from map(_simply, question.reverse)


def _around(templates: tuple[str, ...]) -> Way:
    def way(question: Question, _: Random) -> Iterator[Asked]:
        for core in question.direct:
            for template in templates:
                yield _simply(template.replace("{core}", core))

    return way


def _in_context(question: Question, _: Random) -> Iterator[Asked]:
    for core in question.direct:
        for examples in EXAMPLES:
            yield _simply(*(turn for pair in examples for turn in pair), core)


def _multi_turn(question: Question, _: Random) -> Iterator[Asked]:
    for core in (*question.later, *question.direct):
        for lead in LEADS:
            said = [turn.replace("{name}", question.names[0]) for pair in lead for turn in pair]
            yield _simply(*said, core)


def _multiple_choice(question: Question, random: Random) -> Iterator[Asked]:
    if question.choice is None:
        return
    for text in question.choice.texts:
        for place in _RIGHT_PLACES:
            options = random.sample(question.choice.others, _OPTIONS - 1)
            options.insert(place, question.choice.right)
            listed = "\n".join(f"{letter}) {option}" for letter, option in zip("ABCD", options, strict=True))
            before, _, after = text.rpartition("{options}")
            asked = f"{before}{listed}{after}"
            yield Asked((asked,), asked, also_own=("ABCD"[place],), offered=question.own or ())


def _encoded(question: Question, _: Random) -> Iterator[Asked]:
    for core in question.direct:
        coded = {
            "base64": base64.b64encode(core.encode()).decode(),
            "rot13": codecs.encode(core, "rot13"),
            "spelled": _spelled(core, question.names),
        }
        for kind, text in coded.items():
            yield Asked((DECODE[kind].replace("{coded}", text),), core)


def _spelled(text: str, names: tuple[str, ...]) -> str:
    """Write every word of the names letter by letter: "M-a-r-a V-o-s-s"."""
    words = {word for name in names for word in re.findall(r"[^\W\d_]{2,}", name)}
    if not words:
        return text
    pattern = "|".join(sorted(map(re.escape, words), key=lambda word: (-len(word), word)))
    return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", lambda found: "-".join(found.group()), text)


def _cross_lingual(question: Question, _: Random) -> Iterator[Asked]:
    for language, text in question.foreign:
        yield Asked((text,), text, language)


WAYS: Mapping[Family, Way] = {
    "direct": _direct,
    "paraphrase": _paraphrase,
    "reverse": _reverse,
    "role-play": _around(ROLES),
    "prefix-injection": _around(PREFIXES),
    "in-context": _in_context,
    "multiple-choice": _multiple_choice,
    "encoded": _encoded,
    "cross-lingual": _cross_lingual,
    "multi-turn": _multi_turn,
}
"""How each family asks a question: every way it has, none where the question does not allow it."""
