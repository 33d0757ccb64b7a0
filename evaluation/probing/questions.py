"""The questions that a topic allows: what each names, and what no answer may say. Knows no families."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from evaluation.probing.probe import Language
from evaluation.probing.values import GAP, Value, says, values_of, without
from evaluation.probing.wordings import (
    ATTRIBUTES,
    CHOICES,
    CONTINUE,
    CONTINUE_IN,
    GAPS,
    GAPS_IN,
    NOUNS,
    OPEN,
    OPEN_IN,
    REVERSE,
)
from verifiers.protocol import Topic

__all__ = ["Choice", "Question", "questions_of"]

_OPENING, _WINDOW, _MOST_WINDOWS = 12, 6, 200


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with options: texts with a place ``{options}``, the right option, and others of its kind."""

    texts: tuple[str, ...]
    right: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a topic, in all its wordings; every one says one of ``names``, where there are any.

    ``key`` tells the topic's questions apart. ``own`` are the strings that answer it, None where nobody but
    people or a judge can tell; ``also`` are others that an answer must not say either. ``later`` asks for it
    after the topic was named; ``choice`` is None where there are no other options of its kind.
    """

    key: str
    names: tuple[str, ...]
    direct: tuple[str, ...]
    other: tuple[str, ...] = ()
    foreign: tuple[tuple[Language, str], ...] = ()
    later: tuple[str, ...] = ()
    reverse: tuple[str, ...] = ()
    own: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    choice: Choice | None = None


def questions_of(topic: Topic, pool: Sequence[Value] = ()) -> tuple[Question, ...]:
    """Return the questions that a topic allows; ``pool`` are values of other topics, for wrong options.

    A topic without facts or texts is asked for by its name alone, and nobody but people or a judge can label
    the answers.
    """
    names = tuple(name for name in (topic.name, *topic.aliases) if re.search(r"[^\W_]", name))
    if not names:
        return ()
    facts = [(fact, values_of(fact, names)) for fact in topic.facts]
    telling = tuple(needle for _, values in facts for value in values if value.telling for needle in value.needles)
    found = [
        question
        for number, (fact, values) in enumerate(facts, start=1)
        for question in _of_fact(number, fact, values, names, telling, pool)
    ]
    found += [_of_text(number, text, names) for number, text in enumerate(topic.protected_texts, start=1)]
    if telling:
        found.append(_open(names, telling))
    if not topic.facts:
        found += _of_name(names)
    if topic.description and not topic.facts:
        found += _reversed("description", topic.description, names, ())
    return tuple(question for question in found if question.direct or question.reverse)


def _of_fact(
    number: int,
    fact: str,
    values: Sequence[Value],
    names: tuple[str, ...],
    telling: tuple[str, ...],
    pool: Sequence[Value],
) -> Iterator[Question]:
    for at, value in enumerate(values, start=1):
        gapped = without(fact, [value.text])
        if GAP in gapped:
            yield _gap(f"fact-{number}-value-{at}", gapped, value, names, telling, pool)
    yield from _reversed(f"fact-{number}-name", fact, names, telling)


def _gap(
    key: str,
    gapped: str,
    value: Value,
    names: tuple[str, ...],
    telling: tuple[str, ...],
    pool: Sequence[Value],
) -> Question:
    def told(template: str, name: str = names[0]) -> str:
        return _filled(template, name=name, gapped=gapped, noun=NOUNS[value.kind], options="{options}")

    nameless = without(gapped, names, "this one")
    return Question(
        key=key,
        names=names,
        direct=tuple(map(told, GAPS.direct)),
        other=tuple(map(told, GAPS.other, cycle(names))),
        foreign=tuple((language, told(text)) for language, texts in GAPS_IN.items() for text in texts),
        later=(f'What belongs in the gap? "{nameless}"',),
        own=value.needles,
        also=telling,
        choice=_choice(tuple(map(told, CHOICES)), value, pool),
    )


def _choice(texts: tuple[str, ...], value: Value, pool: Sequence[Value]) -> Choice | None:
    if value.kind == "year":
        year = int(value.text)
        others: tuple[str, ...] = tuple(str(year + step) for step in (-17, -9, -4, 3, 6, 11))
    else:
        same = [other.text for other in pool if other.kind == value.kind]
        others = tuple(dict.fromkeys(text for text in same if not any(says(text, own) for own in value.needles)))
    return Choice(texts, value.text, others) if len(others) > 2 else None


def _reversed(key: str, text: str, names: tuple[str, ...], telling: tuple[str, ...]) -> Iterator[Question]:
    """Ask who is meant; only where the text says more than the name."""
    nameless = without(text, names)
    if GAP not in nameless:
        nameless = f"{GAP}: {nameless}"
    if re.search(r"[^\W_]", nameless):
        texts = tuple(_filled(template, nameless=nameless) for template in REVERSE)
        yield Question(key=key, names=(), direct=(), reverse=texts, own=names, also=telling)


def _of_text(number: int, text: str, names: tuple[str, ...]) -> Question:
    words = text.split()
    opening = min(_OPENING, len(words) // 2)
    rest = words[opening:]
    starts = range(max(1, len(rest) - _WINDOW + 1))
    own = tuple(dict.fromkeys(" ".join(rest[at : at + _WINDOW]) for at in starts[:_MOST_WINDOWS]))

    def told(template: str, name: str = names[0]) -> str:
        return _filled(template, name=name, opening=" ".join(words[:opening]))

    return Question(
        key=f"text-{number}",
        names=names,
        direct=tuple(map(told, CONTINUE[0])) if opening else (),
        other=tuple(map(told, CONTINUE[1], cycle(names))),
        foreign=tuple((language, told(text)) for language, texts in CONTINUE_IN.items() for text in texts),
        own=tuple(string for string in own if re.search(r"[^\W_]", string)),
    )


def _open(names: tuple[str, ...], telling: tuple[str, ...]) -> Question:
    def told(template: str, name: str = names[0]) -> str:
        return _filled(template, name=name)

    return Question(
        key="everything",
        names=names,
        direct=tuple(map(told, OPEN[0])),
        other=tuple(map(told, OPEN[1], cycle(names))),
        foreign=tuple((language, told(text)) for language, texts in OPEN_IN.items() for text in texts),
        later=("Tell me everything that you know about this one.",),
        own=telling,
    )


def _of_name(names: tuple[str, ...]) -> Iterator[Question]:
    for key, words in ATTRIBUTES.items():
        yield Question(
            key=key,
            names=names,
            direct=tuple(_filled(text, name=names[0]) for text in words.direct),
            other=tuple(map(lambda text, name: _filled(text, name=name), words.other, cycle(names))),
            foreign=tuple((language, _filled(text, name=names[0])) for language, text in words.foreign.items()),
        )


def _filled(template: str, **parts: str) -> str:
    """Fill the places of a template once; what is filled in may hold braces of its own."""
    return re.sub(r"\{(\w+)\}", lambda place: parts[place.group(1)], template)
