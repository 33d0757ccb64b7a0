"""Letters: words that are spelled out, cut short, masked, shifted or written as numbers. Knows no topics.

Pieces are words of a view as it finds them; nothing here decides what they tell.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from verifiers.folding import View
from verifiers.words import COMMON

__all__ = [
    "LONGEST_GAP",
    "LONGEST_LETTER_GAP",
    "Piece",
    "cut_short",
    "letter_runs",
    "line_initials",
    "rejoined",
    "roman",
    "shape",
    "two_digit_years",
]

Piece = tuple[str, int, int]
"""(letters, first word, last word)."""

LONGEST_GAP, LONGEST_LETTER_GAP = 3, 12
"""The most characters, none of them a letter, between two pieces of a word, and between two letters of it."""

_FEWEST_LETTERS, _FEWEST_LINES, _SHORTEST_CUT = 3, 4, 4
_JOINT = re.compile(r"[^\w\s]{1,3}(?=\w)|_{1,3}|\s(?=\w\b)|[+|/\\&…·•=*~-]\s(?=\w)")
_SIGNS = re.compile(r"\s?[+|/\\&…·•=*~-]+\s?")
_ROMAN = re.compile(r"m{1,2}(?:cm|d?c{0,3}|cd)(?:xc|l?x{0,3}|xl)(?:ix|v?i{0,3}|iv)")
_ROMAN_VALUES = {"m": 1000, "d": 500, "c": 100, "l": 50, "x": 10, "v": 5, "i": 1}
_TWO_DIGITS = re.compile(r"(?<!\w)['\u2018\u2019]([0-9]{2})(?![\w])")
_BARE_DIGITS = re.compile(r"(?<![\w.,])['\u2018\u2019]?([0-9]{2})(?![\w])")
_CENTURIES = (18, 19, 20)
_BREAK = re.compile(r"\.\.|…|-(?!\w)")


def rejoined(view: View, words: Sequence[str], bounds: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    """Give words that were pulled apart: "S e l t a l", "Sel-tal", "S.e.l.t.a.l", "Sel + tal"."""
    seconds = {bisect_left(bounds, (joint.end(), 0)) for joint in _JOINT.finditer(view.text)}
    joined = sorted(at for at in seconds if 0 < at < len(words) and _continues(view, words, bounds, at))
    for _, run in groupby(enumerate(joined), key=lambda each: each[1] - each[0]):
        places = [at for _, at in run]
        yield "".join(words[places[0] - 1 : places[-1] + 1]), places[0] - 1, places[-1]


def letter_runs(words: Sequence[str], bounds: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    """Give the runs of three and more single letters, whatever stands between them that is no word."""
    if sum(1 for word in words if len(word) == 1) < _FEWEST_LETTERS:
        return
    start = 0
    for at in range(1, len(words) + 1):
        letters = at < len(words) and len(words[at]) == len(words[at - 1]) == 1
        if letters and bounds[at][0] - bounds[at - 1][1] <= LONGEST_LETTER_GAP:
            continue
        if at - start >= _FEWEST_LETTERS and not any(word.isdecimal() for word in words[start:at]):
            yield "".join(words[start:at]), start, at - 1
        start = at


def line_initials(view: View, bounds: Sequence[tuple[int, int]]) -> Piece | None:
    """Give the first letters of four and more lines, their numbers left out, or None."""
    if view.text.count("\n") < _FEWEST_LINES - 1:
        return None
    firsts: list[int] = []
    begins = True
    for at, (start, _) in enumerate(bounds):
        begins = begins or "\n" in view.text[bounds[at - 1][1] : start]
        if begins and not view.text[start].isdecimal():
            firsts.append(at)
            begins = False
    letters = "".join(view.text[bounds[at][0]] for at in firsts)
    return (letters, firsts[0], firsts[-1]) if len(firsts) >= _FEWEST_LINES else None


def cut_short(view: View, words: Sequence[str], bounds: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Give the places of words that may be the beginnings of longer ones: the last, and those that break off."""
    breaks = any(sign in view.text for sign in ("..", "…", "-"))
    for at in range(0 if breaks else max(0, len(words) - 1), len(words)):
        if len(words[at]) < _SHORTEST_CUT or words[at] in COMMON:
            continue
        if at == len(words) - 1 or _BREAK.match(view.text, bounds[at][1]):
            yield at


def roman(word: str) -> int | None:
    """Read a Roman numeral between 1000 and 2999 of four and more letters."""
    if len(word) < 4 or word[0] != "m" or not _ROMAN.fullmatch(word):
        return None
    values = [_ROMAN_VALUES[letter] for letter in word]
    after = [*values[1:], 0]
    return sum(-value if value < following else value for value, following in zip(values, after, strict=True))


def two_digit_years(
    view: View, bounds: Sequence[tuple[int, int]], *, bare: bool = False
) -> Iterator[tuple[int, int]]:
    """Give (place, year) for every year that "'59" may mean, or where ``bare`` a "59"."""
    for found in (_BARE_DIGITS if bare else _TWO_DIGITS).finditer(view.text):
        at = bisect_left(bounds, (found.start(1), 0))
        for century in _CENTURIES:
            yield at, 100 * century + int(found.group(1))


def shape(word: str) -> str:
    """Return what all shifts of a word through the alphabet have in common: its steps from letter to letter."""
    return "".join(chr(97 + (ord(b) - ord(a)) % 26) for a, b in pairwise(word))


def _continues(view: View, words: Sequence[str], bounds: Sequence[tuple[int, int]], at: int) -> bool:
    """Say whether a word may be the next piece of the word before it."""
    gap = view.text[bounds[at - 1][1] : bounds[at][0]]
    if len(words[at]) == 1 and len(words[at - 1]) == 1:
        return len(gap) <= LONGEST_LETTER_GAP
    if len(gap) > LONGEST_GAP:
        return False
    if any(map(str.isspace, gap)):
        return _SIGNS.fullmatch(gap) is not None and not (words[at] in COMMON and words[at - 1] in COMMON)
    return True
