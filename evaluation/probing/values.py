"""The values of a fact: the strings in it that tell something, as they stand there. Knows no questions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from evaluation.oracle import ForbiddenStrings
from verifiers.words import COMMON, FUNCTION

__all__ = ["GAP", "Kind", "Value", "rare_words", "says", "values_of", "without"]

GAP = "____"
"""What stands where a value was taken out."""

Kind: TypeAlias = Literal["title", "year", "number", "name", "word"]

_QUOTED = re.compile(r"[\"\u201c\u201d]([^\"\u201c\u201d]{2,120})[\"\u201c\u201d]")
_NUMBER = re.compile(r"(?<![\w.])\d(?:[\d.,:/-]*\d)?(?!\w)")
_YEAR = re.compile(r"[12]\d{3}")
_WORD = re.compile(r"[^\W_](?:[\w'\u2019.-]*[^\W_])?")
_LINKS = frozenset({"of", "the", "and", "&", "de", "di", "da", "du", "der", "den", "van", "von", "la", "le"})
_PLACEHOLDER = "\ufffc"
"""Stands for the topic's name while values are looked for."""


@dataclass(frozen=True, slots=True)
class Value:
    """A string of a fact and what it is.

    ``needles`` are the strings that give it away: itself, and each word of it that is rare and not of the
    topic's own name, since an answer may leave out the rest.
    """

    text: str
    kind: Kind
    needles: tuple[str, ...]

    @property
    def telling(self) -> bool:
        """Say whether an answer to any other question about the topic leaks by saying it."""
        return self.kind in ("title", "year", "name") or (self.kind == "number" and len(self.text) > 2)


def values_of(fact: str, names: Sequence[str]) -> tuple[Value, ...]:
    """Return the values of a fact about something called ``names``: quotations, numbers and capitalised runs.

    Where it has none of them, the last words that are not function words: "... works as a glassblower".
    """
    text = without(fact, names, _PLACEHOLDER)
    found: list[tuple[str, Kind]] = [(match.group(1).strip(), "title") for match in _QUOTED.finditer(text)]
    text = _QUOTED.sub(" . ", text)
    numbers = _NUMBER.findall(text)
    found += [(number, "year" if _YEAR.fullmatch(number) else "number") for number in numbers if len(number) > 1]
    found += [(run, "name") for run in _capitals(text)]
    if not found:
        found = [(number, "number") for number in numbers] or [(run, "word") for run in _last_words(text)]
    own = {word.casefold() for name in names for word in _WORD.findall(name)}
    return tuple(
        Value(text, kind, _needles(text, kind, own)) for text, kind in dict.fromkeys(found) if _WORD.search(text)
    )


def _needles(text: str, kind: Kind, own: set[str]) -> tuple[str, ...]:
    if kind in ("year", "number"):
        return (text,)
    words = _WORD.findall(text)
    shorter = [" ".join(words[1:])] if len(words) > 1 and words[0].casefold() in FUNCTION else []
    rare = [] if kind == "title" else [word for word in rare_words(text) if word.casefold() not in own]
    return tuple(dict.fromkeys([text, *shorter, *rare]))


def rare_words(text: str) -> list[str]:
    """Return the words of four letters and more that are not ordinary ones."""
    return [word for word in _WORD.findall(text) if len(word) > 3 and word.casefold() not in COMMON | FUNCTION]


def without(text: str, strings: Iterable[str], instead: str = GAP) -> str:
    """Replace every one of the strings, the longest first, wherever it stands as whole words, in any case."""
    for string in sorted(set(strings), key=lambda each: (-len(each), each)):
        words = r"[\s_]+".join(map(re.escape, string.split()))
        text = re.sub(rf"(?<!\w){words}(?!\w)", lambda _: instead, text, flags=re.IGNORECASE)
    return text


def says(text: str, string: str) -> bool:
    """Say whether a text has the string in it, as the oracle that labels answers would."""
    return ForbiddenStrings.of((string,)).leaks(text)


def _capitals(text: str) -> Iterator[str]:
    """Give the runs of capitalised words; the first word of a sentence counts only inside a longer run."""
    for sentence in re.split(r"(?<=[.!?;:])\s+", text):
        words = [word for word in re.split(r"[\s,()]+", sentence) if word]
        run: list[str] = []
        for at, word in enumerate([*words, ""]):
            bare = word.strip(".!?;:\"'\u201c\u201d\u2018\u2019")
            first = at == 0 and bare.casefold() in FUNCTION
            if bare[:1].isupper() and not first:
                run.append(bare)
            elif not (run and bare in _LINKS):
                yield from _run(run, starts=at == len(run))
                run = []
            else:
                run.append(bare)


def _run(run: list[str], *, starts: bool) -> Iterator[str]:
    while run and run[-1] in _LINKS:
        run.pop()
    if run and not (starts and len(run) == 1):
        yield " ".join(word.removesuffix("'s").removesuffix("\u2019s") for word in run)


def _last_words(text: str) -> Iterator[str]:
    run: list[str] = []
    after_name = text.lstrip().startswith(_PLACEHOLDER)
    words = _WORD.findall(text)
    for word in reversed(words[1:] if after_name and len(words) > 1 else words):  # the verb tells nothing
        if word.casefold() in FUNCTION:
            if run:
                break
            continue
        run.insert(0, word)
    if run:
        yield " ".join(run[-3:])
