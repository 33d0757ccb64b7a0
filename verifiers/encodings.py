"""Encodings: the hidden texts inside a text (base64, hexadecimal, escapes, digits for letters). Knows no topics.

Only what looks encoded is decoded, so that plain prose costs a few searches. Text turned back to front or by
rot13 needs no decoding here: whoever looks for a word turns the text back too (`disguises`).
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from urllib.parse import unquote

from verifiers.ciphers import hidden_texts
from verifiers.folding import View, fold, phonetic
from verifiers.signs import signs_of

__all__ = ["views"]

_MAX_DEPTH = 3
_REMEMBERED = 8
_MAX_DECODED = 16

_ESCAPE = re.compile(
    r"(?:%[0-9a-fA-F]{2})+|&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
    r"|\\u\{[0-9a-fA-F]{1,6}\}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\x[0-9a-fA-F]{2}"
)
_ESCAPE_SIGNS = frozenset("%&\\")
_TAGS = "[\U000e0020-\U000e007e]"
_SELECTORS = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]"
_INVISIBLE = re.compile(f"{_TAGS}|{_SELECTORS}{{3}}")
_SHOWN_OR_NOT = re.compile(
    f"(?P<tags>{_TAGS}+)|(?P<selectors>{_SELECTORS}{{3,}})|(?P<shown>(?:(?!{_TAGS}|{_SELECTORS}{{3}}).)+)",
    re.DOTALL,
)
# A capital or a digit after a letter: prose has few such places, base64 has little else.
_BASE64_HINT = re.compile(r"[a-z0-9+/][A-Z]|[A-Za-z][0-9]")
_BASE64_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-")
_BASE64_REST = re.compile(r"[A-Za-z0-9+/_-]*(?:={1,2}|(?:\s+[A-Za-z0-9+/_-]{1,4}={1,2}))?")
_SEPARATORS = " \t\r\n\f\v:,;-"
_HEX_RUN = re.compile(r"(?:(?:0x|\\x)?[2-7][0-9a-fA-F][\s:,;-]{0,2}){4,}")
_BINARY_RUN = re.compile(r"(?:0[01]{7}[\s,]{0,2}){4,}")
_DECIMAL_RUN = re.compile(r"(?:\b(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6])\b[\s,;]{1,2}){3,}[0-9]{2,3}\b")
_INNER_CAPITAL = re.compile(r"[a-z][A-Z]")
_BASE64_KINDS = ("aA", "0A", "+A", "/A", "a0", "A0")
"""The kinds of characters that stand side by side wherever ``_BASE64_HINT`` matches."""
_FEWEST_HEX_DIGITS, _FEWEST_BITS, _FEWEST_CODE_DIGITS = 4, 32, 8
"""With fewer digits in all, a text has none of these runs."""

# Each begins at the sign itself: of a text without signs nothing else is looked at.
_LEET = re.compile(
    r"[0-9@$|!+](?:(?<=[a-z].)(?=[a-z])|(?<=[a-z]{2}[0-9@$])|(?<=[0-9@$|])(?=[a-z]{2})"
    r"|(?<=\b[a-z][ .\n][0-9@$|!])\b|(?<=\b[0-9@$|!])(?=[ .\n][a-z]\b))"
)
_LEET_AS_I = str.maketrans("013456789@$|!+2", "oieasgtbgasiitz")
_LEET_AS_L = str.maketrans("013456789@$|!+2", "oleasgtbgasliti")


@lru_cache(maxsize=_REMEMBERED)
def views(text: str) -> tuple[View, ...]:
    """Return the text as it stands, then every other reading that it seems to invite.

    Remembers the last few texts, since every verifier of a panel reads the same answer.
    """
    return tuple(_views(text))


def _views(text: str) -> Iterator[View]:
    plain = fold(text)
    yield plain
    if not plain.text.isascii():
        yield phonetic(text)
    yield from _letters_for_digits(plain)
    for kind, raw, origins in _decoded(text, None, _MAX_DEPTH):
        hidden = fold(raw, kind, origins)
        yield hidden
        yield from _letters_for_digits(hidden)


def _letters_for_digits(view: View) -> Iterator[View]:
    if _LEET.search(view.text):
        for table in (_LEET_AS_I, _LEET_AS_L):
            yield View("digits for letters", view.raw, view.text.translate(table), view.raw_at, view.origins)


_Origins = list[tuple[int, int]]


def _decoded(text: str, origins: _Origins | None, depth: int) -> Iterator[tuple[str, str, _Origins]]:
    found = list(_decoded_once(text))[:_MAX_DECODED]
    for kind, raw, inner in found:
        if origins is not None:
            inner = [(origins[start][0], origins[end - 1][1]) for start, end in inner]
        yield kind, raw, inner
        if depth > 1:
            yield from _decoded(raw, inner, depth - 1)


def _decoded_once(text: str) -> Iterator[tuple[str, str, _Origins]]:
    signs = signs_of(text)
    if not text.isascii() and _INVISIBLE.search(text):
        yield "invisible characters", *_revealed(text)
    if signs.any_of(_ESCAPE_SIGNS) and _ESCAPE.search(text):
        yield "escaped", *_unescaped(text)
    yield from hidden_texts(text, signs)
    digits = signs.digits
    capitals = "aA" in signs.kinds and _INNER_CAPITAL.search(text)
    if (digits or capitals) and any(kinds in signs.kinds for kinds in _BASE64_KINDS):
        yield from _blocks(text, "base64", _base64_runs(text), _from_base64)
    if digits >= _FEWEST_HEX_DIGITS:
        yield from _blocks(text, "hexadecimal", _runs(text, _HEX_RUN), _from_hex)
    if digits >= _FEWEST_BITS:
        yield from _blocks(text, "binary", _runs(text, _BINARY_RUN), _from_binary)
    if digits >= _FEWEST_CODE_DIGITS:
        yield from _blocks(text, "character codes", _runs(text, _DECIMAL_RUN), _from_decimal)


def _revealed(text: str) -> tuple[str, _Origins]:
    """Read tags as the letters that they stand for, and runs of variation selectors as the bytes of a text."""
    pieces: list[str] = []
    origins: _Origins = []
    for found in _SHOWN_OR_NOT.finditer(text):
        run = found.group()
        if found.lastgroup == "shown":
            letters = run
        elif found.lastgroup == "tags":
            letters = "".join(chr(ord(tag) - 0xE0000) for tag in run)
        else:
            letters = _text(bytes(_selected(selector) for selector in run))
        pieces.append(letters)
        spread = len(letters) == len(run)
        origins += [
            (found.start() + k, found.start() + k + 1) if spread else found.span() for k in range(len(letters))
        ]
    return "".join(pieces), origins


def _selected(selector: str) -> int:
    code = ord(selector)
    return code - 0xFE00 if code < 0xE0100 else code - 0xE0100 + 16


def _unescaped(text: str) -> tuple[str, _Origins]:
    pieces: list[str] = []
    origins: _Origins = []
    done = 0
    for escape in _ESCAPE.finditer(text):
        start, end = escape.span()
        letters = _unescape(escape.group())
        pieces += [text[done:start], letters]
        origins += [(k, k + 1) for k in range(done, start)] + [(start, end)] * len(letters)
        done = end
    pieces.append(text[done:])
    origins += [(k, k + 1) for k in range(done, len(text))]
    return "".join(pieces), origins


def _unescape(escape: str) -> str:
    if escape.startswith("%"):
        return unquote(escape, errors="replace")
    if escape.startswith("&"):
        return html.unescape(escape)
    code = int(escape[2:].strip("{}"), 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "?"


def _blocks(
    text: str, kind: str, runs: list[tuple[int, int]], decode: Callable[[str], str]
) -> Iterator[tuple[str, str, _Origins]]:
    for start, end in runs:
        raw = decode(text[start:end])
        if len(raw) >= 3 and sum(letter.isprintable() or letter.isspace() for letter in raw) >= 0.9 * len(raw):
            yield kind, raw, [(start, end)] * len(raw)


def _runs(text: str, pattern: re.Pattern[str]) -> list[tuple[int, int]]:
    return [
        (found.start(), found.start() + len(found.group().rstrip(_SEPARATORS))) for found in pattern.finditer(text)
    ]


def _base64_runs(text: str) -> list[tuple[int, int]]:
    """Give the words that look like base64; those with only white space between them are one."""
    runs: list[tuple[int, int]] = []
    for hint in _BASE64_HINT.finditer(text):
        if runs and hint.start() < runs[-1][1]:
            continue
        start = hint.start()
        while start > 0 and text[start - 1] in _BASE64_LETTERS:
            start -= 1
        rest = _BASE64_REST.match(text, hint.start())
        end = rest.end() if rest else hint.end()
        if runs and not text[runs[-1][1] : start].strip():
            start = runs.pop()[0]
        runs.append((start, end))
    return runs


def _from_base64(block: str) -> str:
    letters = re.sub(r"[\s=]", "", block).replace("-", "+").replace("_", "/")
    usable = len(letters) if len(letters) % 4 != 1 else len(letters) - 1
    if usable < 6:
        return ""
    try:
        return _text(base64.b64decode(letters[:usable] + "=" * (-usable % 4)))
    except binascii.Error:
        return ""


def _from_hex(block: str) -> str:
    digits = re.sub(r"0x|\\x|[^0-9a-fA-F]", "", block)
    return _text(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _from_binary(block: str) -> str:
    bits = re.sub(r"[^01]", "", block)
    return _text(bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits) - 7, 8)))


def _from_decimal(block: str) -> str:
    return "".join(chr(int(code)) for code in re.findall(r"[0-9]+", block))


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
