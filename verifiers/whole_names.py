"""Whole names: where a text has all of a name, however spaced or disguised. Knows no parts of names."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import ahocorasick

from verifiers.disguises import FEWEST_LETTERS, TurnedBack, shape_of, turned_back
from verifiers.letters import LONGEST_GAP, LONGEST_LETTER_GAP, line_initials
from verifiers.names import SHORTEST_SHIFTED, NameIndex, Phrase
from verifiers.openings import is_ordinary
from verifiers.reading import Mention, Reading, is_name_beside, mention
from verifiers.words import COMMON

__all__ = ["hidden_names", "whole_names"]

_SPACED, _RUN_TOGETHER, _OTHERS_ALIAS, _DISGUISED = 0.95, 0.9, 0.4, 0.9
_READ_BACK = 0.95
"""A name of ``SHORTEST_SHIFTED`` letters is no less sure for the writing out of which it is read."""
_FEWEST_INITIALS = 10
"""Shorter names come out of the first letters of all words by chance."""
_UNSHIFTED = (0, 13)
_ORDINARY = "\0"
"""Stands for a word that is in use as it is, and so hides nothing: the less text to turn back, the faster."""


def whole_names(index: NameIndex, reading: Reading) -> Iterator[tuple[Mention, range]]:
    """Give every whole name in plain writing or in initials, with the places of the words that spell it."""
    if index.phrases is None or not reading.words:
        return
    for places, phrases in _hits(index.phrases, reading.words, inside=True):
        for phrase in phrases:
            yield from _whole(reading, places, reading.words, phrase)
    if not reading.view.kind:
        yield from _in_initials(index.phrases, reading)


def hidden_names(index: NameIndex, reading: Reading) -> Iterator[tuple[Mention, range]]:
    """Give every whole name that is turned or shifted, with the places of the words that spell it."""
    if index.phrases is None or not reading.words:
        return
    strange = [_ORDINARY if is_ordinary(word) else word for word in reading.words]
    if all(word == _ORDINARY or word.isdecimal() for word in strange):
        return
    for turned in turned_back(strange):
        yield from _disguised(index.phrases, reading, turned)
    if index.shapes is not None:
        yield from _shifted(index.shapes, reading, strange)


def _hits(
    phrases: ahocorasick.Automaton, words: Sequence[str], *, inside: bool = False
) -> Iterator[tuple[range, tuple[Phrase, ...]]]:
    """Give the names in words run together that begin and end where words do.

    And with ``inside`` the long ones of several words that stand within a single word.
    """
    hits = list(phrases.iter("".join(words)))
    if not hits:
        return
    word_at = _word_at(words)
    starts = list(word_at)
    for last, (length, found) in hits:
        start = last + 1 - length
        if start in word_at and last + 1 in word_at:
            yield range(word_at[start], word_at[last + 1]), found
        elif inside and length >= SHORTEST_SHIFTED:
            at = bisect_right(starts, start) - 1
            several = tuple(phrase for phrase in found if phrase.cuts)
            if several and last + 1 <= starts[at + 1]:
                yield range(at, at + 1), several


def _in_initials(phrases: ahocorasick.Automaton, reading: Reading) -> Iterator[tuple[Mention, range]]:
    """Give the names that the first letters of lines spell, or those of words."""
    words = reading.words
    if len(words) >= _FEWEST_INITIALS:
        for last, (length, found) in phrases.iter("".join([word[0] for word in words])):
            if length >= _FEWEST_INITIALS:
                yield from _spelled(reading, found, range(last + 1 - length, last + 1), "in the initials of words")
    lines = line_initials(reading.view, reading.bounds) if reading.view.text.count("\n") > 2 else None
    if lines is not None:
        letters, first, end = lines
        for _, (length, found) in phrases.iter(letters):
            if length >= SHORTEST_SHIFTED:
                yield from _spelled(reading, found, range(first, end + 1), "in the initials of lines")


def _spelled(
    reading: Reading, phrases: Sequence[Phrase], places: range, how: str
) -> Iterator[tuple[Mention, range]]:
    span = reading.span(places[0], places[-1])
    for phrase in phrases:
        strength = phrase.strength * _READ_BACK
        yield mention(reading, phrase.topic, strength, f"named, {how}", span, phrase.words), places


def _word_at(words: Sequence[str]) -> dict[int, int]:
    """Lead each place of the run together words at which a word begins to its number, and the end likewise."""
    return {start: at for at, start in enumerate(accumulate(map(len, words), initial=0))}


def _disguised(
    automaton: ahocorasick.Automaton, reading: Reading, turned: TurnedBack
) -> Iterator[tuple[Mention, range]]:
    count = len(reading.words)
    for places, phrases in _hits(automaton, turned.words):
        length = sum(len(turned.words[at]) for at in places)
        if length < FEWEST_LETTERS or (len(places) > 1 and not turned.whole and length < SHORTEST_SHIFTED):
            continue
        words = turned.words
        if turned.reversed:
            places = range(count - places.stop, count - places.start)
            words = [word[::-1] for word in reading.words]
        for phrase in phrases:
            yield from _whole(reading, places, words, phrase, turned.how, turned.reversed)


def _shifted(
    shapes: ahocorasick.Automaton, reading: Reading, words: Sequence[str]
) -> Iterator[tuple[Mention, range]]:
    together = "".join(words)
    hits = list(shapes.iter(shape_of(together)))
    if not hits:
        return
    word_at = _word_at(words)
    for last, (form, phrases) in hits:
        start, end = last + 2 - len(form), last + 2
        shift = (ord(together[start]) - ord(form[0])) % 26
        if shift in _UNSHIFTED or start not in word_at or end not in word_at:
            continue
        places = range(word_at[start], word_at[end])
        for phrase in phrases:
            yield from _whole(reading, places, words, phrase, "shifted")


def _whole(
    reading: Reading,
    places: range,
    words: Sequence[str],
    phrase: Phrase,
    disguise: str = "",
    backwards: bool = False,
) -> Iterator[tuple[Mention, range]]:
    """Give the phrase that stands at ``places``; ``words`` are those of the text, turned back."""
    alone = len(places) == 1
    if disguise and phrase.ordinary:
        return
    spacing = _spacing(reading, places, words, phrase, backwards)
    if spacing is None or (phrase.ordinary and not (reading.capital(places[0]) and alone)):
        return
    factor, how = spacing
    strength = phrase.strength * factor * (_DISGUISED if disguise else 1.0)
    sure = not phrase.ordinary and sum(len(words[at]) for at in places) >= SHORTEST_SHIFTED
    if sure:
        strength = max(strength, phrase.strength * _READ_BACK)
    if len(phrase.words) == 1 and alone and not disguise:
        own, at = phrase.words, places[0]
        if is_name_beside(reading, at, at - 1, own) or is_name_beside(reading, at, at + 1, own):
            strength, sure = min(strength, _OTHERS_ALIAS), False
    how = ", ".join(filter(None, ("named", how, disguise)))
    span = reading.span(places[0], places[-1])
    yield mention(reading, phrase.topic, strength, how, span, phrase.words, sure=sure), places


def _spacing(
    reading: Reading, places: range, words: Sequence[str], phrase: Phrase, backwards: bool
) -> tuple[float, str] | None:
    """Return (factor, how) if the words at ``places`` may be the phrase; None if they only happen to spell it."""
    pieces = [words[at] for at in (reversed(places) if backwards else places)]
    cuts = set(accumulate(map(len, pieces[:-1])))
    if cuts == phrase.cuts:
        return 1.0, ""
    gaps = [reading.gap(at) for at in places[:-1]]
    letters = all(len(piece) == 1 for piece in pieces)
    if any(len(gap) > (LONGEST_LETTER_GAP if letters else LONGEST_GAP) for gap in gaps):
        return None
    ordinary = all(reading.words[at] in COMMON and len(reading.words[at]) > 1 for at in places)
    if cuts < phrase.cuts:
        return None if ordinary else (_RUN_TOGETHER, "run together")
    if ordinary and any(gap.isspace() for gap in gaps):
        return None
    return _SPACED, "spaced out"
