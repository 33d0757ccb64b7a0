"""Ciphers: texts hidden letter by letter (tags, lists, Morse, numbers, base 32 and 85). Knows no topics."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator

from verifiers.folding import fold
from verifiers.signs import Signs

__all__ = ["SPELLED", "Hidden", "hidden_texts"]

Hidden = tuple[str, str, list[tuple[int, int]]]
"""(kind, text, where in the original each character of it stands)."""

_TAG = re.compile(r"<[^<>\n]{1,60}>")
_TAGGED = re.compile(r">\w{1,3}<")
_LETTER = re.compile(r"(?<![^\W_])(?<!['\u2019])[A-Za-z](?![^\W_])(?!['\u2019])")
_FEWEST_LETTERS, _FEWEST_TELLING = 4, 3
_ARTICLES = frozenset("aAiI")
_MORSE_RUN = re.compile(r"(?<![\w.-])[.·•-]{1,5}(?:(?:[ |,\n]{1,3}|\s?/\s?)[.·•-]{1,5}){2,}")
_MORSE_HINTS = (".-", "-.", ". -", "- .", "\u00b7", "\u2022")
_MORSE_SIGN = re.compile(r"[.·•-]+|/")
_MORSE_SIGNS = """
    .- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --..
    ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----.
"""
_MORSE = dict(zip(_MORSE_SIGNS.split(), "abcdefghijklmnopqrstuvwxyz0123456789", strict=True))
_SPELLING_ALPHABET = """
    alfa alpha bravo charlie delta echo foxtrot golf hotel india juliett juliet kilo lima mike november oscar
    papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu
"""
_SPOKEN = {word: word[0] for word in _SPELLING_ALPHABET.split()}
_WORD = re.compile(r"[A-Za-z]+")
_PLACE = r"(?:[1-9]|1[0-9]|2[0-6])"
_PLACES_RUN = re.compile(rf"(?<![0-9.]){_PLACE}(?:[\s,./-]{{1,2}}{_PLACE}){{3,}}(?![0-9])")
_OCTAL_RUN = re.compile(r"1[0-7]{2}(?:[\s,]{1,2}(?:0?o?)1[0-7]{2}\b){3,}")
_NUMBER = re.compile(r"[0-9]+")
_BASE32 = re.compile(r"[A-Z2-7]{8,}={0,6}(?![A-Za-z0-9])")
_BASE32_KINDS = "A" * 8
_BASE85 = re.compile(r"(?<!\S)[!-~]{6,400}(?!\S)")
_BASE85_SIGN = re.compile(r"[#$%&*+;<=>?@^`{|}~]")
_BASE85_OPENS = frozenset(
    alphabet[value]
    for alphabet in (
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
        "".join(map(chr, range(33, 118))),
    )
    for value in range(85)
    if value * 85**4 < 2**31
)
"""The first of five signs says whether the first of four bytes is ASCII, in either alphabet of base 85."""
_QUOTED = re.compile(r"(?<!\w)['\"\u2018\u201c]([A-Za-z]{1,12})['\"\u2019\u201d](?!\w)")
_BLANK = re.compile(r"\s")

SPELLED = frozenset(
    {
        "tags removed",
        "single letters",
        "Morse",
        "spelling alphabet",
        "numbered letters",
        "octal",
        "base32",
        "base85",
    }
)
"""The kinds of text that are found here."""


def hidden_texts(text: str, signs: Signs) -> Iterator[Hidden]:
    """Give every text that is hidden letter by letter. ``signs`` are those of the text."""
    if "<" in signs.others and _TAGGED.search(text):
        yield _without_tags(text)
    view = fold(text)
    words = view.vocabulary()
    if "'" in signs.others or '"' in signs.others or not text.isascii():
        yield from _in_quotes(text)
    if list(map(len, words)).count(1) >= _FEWEST_TELLING:
        yield from _single_letters(text)
    dots = ("." in signs.others and "-" in signs.others) or not text.isascii()
    if dots and any(hint in text for hint in _MORSE_HINTS):
        yield from _runs("Morse", _MORSE_RUN.finditer(text), _from_morse)
    if not words.isdisjoint(_SPOKEN):
        yield from _spoken(text)
    if _BASE32_KINDS in signs.kinds.replace("0", "A"):
        yield from _runs("base32", _BASE32.finditer(text), _from_base32)
    if _BASE85_SIGN.search(signs.others):
        yield from _runs("base85", _with_base85_signs(text), _from_base85)
    if signs.digits >= _FEWEST_LETTERS and _numbers(view.words()) >= _FEWEST_LETTERS:
        yield from _runs("numbered letters", _PLACES_RUN.finditer(text), _from_places)
        yield from _runs("octal", _OCTAL_RUN.finditer(text), _from_octal)


def _numbers(words: Iterable[str]) -> int:
    return sum(word[0].isdecimal() for word in words)


def _with_base85_signs(text: str) -> Iterator[re.Match[str]]:
    """Give the words that may be base 85, those alone that hold one of its signs."""
    done = 0
    for sign in _BASE85_SIGN.finditer(text):
        if sign.start() < done:
            continue
        start = sign.start()
        while start > done and not text[start - 1].isspace():
            start -= 1
        blank = _BLANK.search(text, sign.start())
        done = blank.start() if blank else len(text)
        found = _BASE85.match(text, start)
        if found:
            yield found


def _runs(kind: str, runs: Iterable[re.Match[str]], decode: Callable[[str], str]) -> Iterator[Hidden]:
    for found in runs:
        raw = decode(found.group())
        if len(raw) > 2:
            yield kind, raw, [found.span()] * len(raw)


def _without_tags(text: str) -> Hidden:
    kept: list[int] = []
    done = 0
    for tag in _TAG.finditer(text):
        kept += range(done, tag.start())
        done = tag.end()
    kept += range(done, len(text))
    return "tags removed", "".join(text[at] for at in kept), [(at, at + 1) for at in kept]


def _in_quotes(text: str) -> Iterator[Hidden]:
    """Give the pieces of words that stand in quotation marks as one: "starts with 'Sel' and ends with 'tal'"."""
    found = list(_QUOTED.finditer(text))
    if len(found) > 1:
        raw = "".join(piece.group(1) for piece in found)
        yield "pieces in quotes", raw, [(at, at + 1) for piece in found for at in range(*piece.span(1))]


def _single_letters(text: str) -> Iterator[Hidden]:
    """Give all letters that stand alone, as one text: those of "1. S 2. e", "S as in sugar, e as in egg"."""
    found = list(_LETTER.finditer(text))
    telling = {letter.group() for letter in found} - _ARTICLES
    if len(found) >= _FEWEST_LETTERS and len(telling) >= _FEWEST_TELLING:
        raw = " ".join(letter.group() for letter in found)
        yield "single letters", raw, [found[at // 2].span() for at in range(len(raw))]


def _from_morse(run: str) -> str:
    signs = [sign.translate({0xB7: ".", 0x2022: "."}) for sign in _MORSE_SIGN.findall(run)]
    marks = {sign for sign in signs if sign != "/"}
    if len(marks) < 2 or max(map(len, marks)) < 2:
        return ""
    return "".join(" " if sign == "/" else _MORSE.get(sign, "") for sign in signs)


def _spoken(text: str) -> Iterator[Hidden]:
    """Give the letters of the words of the spelling alphabet, where there are three and more in a row."""
    run: list[re.Match[str]] = []
    for word in [*_WORD.finditer(text), None]:
        if word and word.group().lower() in _SPOKEN:
            run.append(word)
            continue
        if len(run) > 2:
            raw = "".join(_SPOKEN[each.group().lower()] for each in run)
            yield "spelling alphabet", raw, [each.span() for each in run]
        run = []


def _from_places(run: str) -> str:
    return "".join(chr(96 + int(number)) for number in _NUMBER.findall(run))


def _from_octal(run: str) -> str:
    return "".join(chr(int(number, 8)) for number in _NUMBER.findall(run))


def _from_base32(block: str) -> str:
    letters = block.rstrip("=")
    try:
        return _text(base64.b32decode(letters + "=" * (-len(letters) % 8)))
    except binascii.Error:
        return ""


def _from_base85(block: str) -> str:
    if block.isalnum() or not _BASE85_SIGN.search(block):
        return ""
    letters = block.removeprefix("<~").removesuffix("~>")
    if letters[:1] not in _BASE85_OPENS:
        return ""
    for decode in (base64.b85decode, base64.a85decode):
        try:
            text = _text(decode(letters))
        except ValueError:
            continue
        if text:
            return text
    return ""


def _text(data: bytes) -> str:
    """Return the bytes as a text if they are one in ASCII, mostly letters; else nothing."""
    if not data.isascii():
        return ""
    text = data.decode("ascii")
    letters = sum(letter.isalpha() or letter == " " for letter in text)
    return text if text.isprintable() and letters >= 0.8 * len(text) else ""
