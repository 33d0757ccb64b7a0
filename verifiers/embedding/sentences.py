"""Sentences of a text, each with its place. Knows no models and no topics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.protocol import Span

__all__ = ["Sentence", "sentences", "tail", "windows"]

_END = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*(?:\s+|(?<=[。！？]))|\n+|;\s+")  # noqa: RUF001 - full stops of other scripts
_ABBREVIATED = re.compile(r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|No|Vol|e\.g|i\.e))\.\s*$")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and where it stands in its text."""

    text: str
    span: Span


def sentences(text: str) -> tuple[Sentence, ...]:
    """Cut a text at the ends of sentences, at line breaks and semicolons. Nothing but blanks is left out."""
    found: list[Sentence] = []
    for start, end in _bounds(text):
        said = text[start:end]
        left = start + len(said) - len(said.lstrip())
        right = start + len(said.rstrip())
        if left < right:
            found.append(Sentence(text[left:right], Span(left, right)))
    return tuple(found)


def windows(text: str, size: int) -> tuple[Sentence, ...]:
    """Join neighbouring sentences to pieces of at most ``size`` characters that overlap by a sentence.

    A sentence longer than that is a piece of its own.
    """
    parts = sentences(text)
    found: list[Sentence] = []
    start = 0
    while start < len(parts):
        end = start + 1
        while end < len(parts) and parts[end].span.end - parts[start].span.start <= size:
            end += 1
        span = Span(parts[start].span.start, parts[end - 1].span.end)
        found.append(Sentence(text[span.start : span.end], span))
        if end == len(parts):
            break
        start = end - 1 if end - 1 > start else end
    return tuple(found)


def tail(text: str, size: int) -> str:
    """Return the last ``size`` characters of a text or fewer, from the beginning of a word on."""
    if len(text) <= size:
        return text.strip()
    cut = text[-size:]
    return cut[cut.find(" ") + 1 :].strip()


def _bounds(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for end in _END.finditer(text):
        if "\n" not in end.group() and _ABBREVIATED.search(text[start : end.start() + 1][-8:]):
            continue
        yield start, end.end()
        start = end.end()
    yield start, len(text)
