"""Numbers and dates in words: "twenty-one" is 21, "11 May 1991" and "05/11/1991" are one day. Knows no topics."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["Numeral", "numerals"]


def _list(words: str) -> list[str]:
    return words.split()


_UNITS = _list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_ORDINALS = _list(
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_TENS = _list("twenty thirty forty fifty sixty seventy eighty ninety")
_MONTHS = (
    _list("january february march april may june july august september october november december"),
    _list("jan feb mar apr may jun jul aug sep oct nov dec"),
)

_BELOW_20 = {word: n for names in (_UNITS, _ORDINALS) for n, word in enumerate(names)}
_ROUND = {
    **{word: 10 * n for n, word in enumerate(_TENS, 2)},
    **{f"{word[:-1]}ieth": 10 * n for n, word in enumerate(_TENS, 2)},
}
_MONTH = {word: n for names in _MONTHS for n, word in enumerate(names, 1)}
_FILLERS = frozenset({"of", "the"})
_SUFFIXES = ("st", "nd", "rd", "th")
_TRIGGERS = frozenset({*_BELOW_20, *_ROUND, *_MONTH})

_DIGIT = re.compile(r"\d")

Numeral = tuple[str, int, int]
"""(key, first word, last word): the key is "#1984" for a number and "@5-11" for a day of a year."""


def numerals(words: Sequence[str]) -> list[Numeral]:
    """Return the numbers and dates among folded words, in order.

    A numeric date does not say which number is the month, so days and months swap freely: 5 November and 11
    May have one key. Single words below 13 that are not digits ("one", "second") are left to be words.
    """
    found: list[Numeral] = []
    if _TRIGGERS.isdisjoint(words) and _DIGIT.search("".join(words)) is None:
        return found
    done = 0
    for at in [at for at, word in enumerate(words) if word in _TRIGGERS or word[0].isdecimal()]:
        if at >= done:
            taken = _date(words, at) or _number(words, at)
            found += taken
            done = max((last for _, _, last in taken), default=at) + 1
    return found


def _date(words: Sequence[str], at: int) -> list[Numeral]:
    return _numeric_date(words, at) or _written_date(words, at)


def _numeric_date(words: Sequence[str], at: int) -> list[Numeral]:
    three = [_digits(word) for word in words[at : at + 3]]
    if len(three) < 3 or any(number is None for number in three):
        return []
    first, second, third = (number or 0 for number in three)
    if len(words[at]) == 4:
        year, one, other, day_at = first, second, third, at + 1
    else:
        one, other, year, day_at = first, second, third, at
    if not (len(str(year)) == 4 and _is_day(one, other)):
        return []
    days: Numeral = (_day(one, other), day_at, day_at + 1)
    years: Numeral = (f"#{year}", at if day_at > at else at + 2, at if day_at > at else at + 2)
    return [days, years]


def _written_date(words: Sequence[str], at: int) -> list[Numeral]:
    """Read "11 May", "11th of May", "May 11" and "May the eleventh", without their years."""
    month = _MONTH.get(words[at])
    day, last = (None, at) if month else _day_number(words, at)
    after = last + 1
    while after < len(words) and words[after] in _FILLERS:
        after += 1
    if after >= len(words):
        return []
    if month:
        day, last = _day_number(words, after)
    else:
        month, last = _MONTH.get(words[after]), after
    return [(_day(month, day), at, last)] if month and day and 1 <= day <= 31 else []


def _day_number(words: Sequence[str], at: int) -> tuple[int | None, int]:
    digits = _digits(words[at])
    if digits is not None:
        return (digits, at) if len(words[at].rstrip("stndrh")) <= 2 else (None, at)
    return _below_hundred(words, at)


def _number(words: Sequence[str], at: int) -> list[Numeral]:
    digits = _digits(words[at])
    if digits is not None:
        return [(f"#{digits}", at, at)]
    value, last = _below_hundred(words, at)
    if value is None:
        return []
    following = words[last + 1] if last + 1 < len(words) else ""
    if following in ("hundred", "thousand"):
        scale = 100 if following == "hundred" else 1000
        rest, rest_at = _rest(words, last + 2)
        return [(f"#{value * scale + rest}", at, rest_at)]
    if 10 <= value < 100 and following:
        year, year_at = _below_hundred(words, last + 1)
        if year is not None and year >= 10:
            return [(f"#{value * 100 + year}", at, year_at)]
    return [(f"#{value}", at, last)] if value > 12 or last > at else []


def _rest(words: Sequence[str], at: int) -> tuple[int, int]:
    start = at + 1 if at < len(words) and words[at] == "and" else at
    value, last = _below_hundred(words, start) if start < len(words) else (None, at)
    return (value, last) if value is not None else (0, at - 1)


def _below_hundred(words: Sequence[str], at: int) -> tuple[int | None, int]:
    tens = _ROUND.get(words[at])
    if tens is None:
        return _BELOW_20.get(words[at]), at
    unit = _BELOW_20.get(words[at + 1]) if at + 1 < len(words) else None
    if not words[at].endswith("ieth") and unit is not None and 1 <= unit <= 9:
        return tens + unit, at + 1
    return tens, at


def _digits(word: str) -> int | None:
    """Read "1984" and "22nd"; at most nine digits, so that no text costs a huge number."""
    if word[-2:] in _SUFFIXES:
        word = word[:-2]
    return int(word) if word.isascii() and word.isdecimal() and len(word) <= 9 else None


def _is_day(one: int, other: int) -> bool:
    return 1 <= min(one, other) <= 12 and 1 <= max(one, other) <= 31


def _day(one: int, other: int) -> str:
    return f"@{min(one, other)}-{max(one, other)}"
