"""Logprobs as model servers write them, in chats and in text completions: read into places, and written anew.

Knows no model and no topics.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

__all__ = ["Place", "Word", "read_logprobs", "written_logprobs"]


@dataclass(frozen=True, slots=True)
class Word:
    """A token: its bytes, which may be a part of a letter, and its natural log-probability in its place."""

    data: bytes
    logprob: float

    @property
    def text(self) -> str:
        """Give it as text; a part of a letter shows as a mark."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Place:
    """The token that was written, and the likeliest ones in its place, of which it may be one."""

    chosen: Word
    beside: tuple[Word, ...] = ()


def read_logprobs(given: Mapping[str, Any]) -> Iterator[Place]:
    """Read a choice's ``logprobs``, of either shape. Raises ``ValueError`` for any other, place by place."""
    return _of_completion(given) if "tokens" in given else _of_chat(given)


def written_logprobs(places: Sequence[Place], *, completion: bool) -> Mapping[str, Any]:
    """Write them as text completions have them, or as chats do."""
    return _as_completion(places) if completion else _as_chat(places)


def _of_chat(given: Mapping[str, Any]) -> Iterator[Place]:
    for place in _each(given.get("content")):
        yield Place(_word(place), tuple(_word(word) for word in _each(place.get("top_logprobs") or [])))


def _of_completion(given: Mapping[str, Any]) -> Iterator[Place]:
    tokens, logprobs, beside = given.get("tokens"), given.get("token_logprobs"), given.get("top_logprobs")
    if not isinstance(tokens, list):
        raise ValueError("tokens must be a list")
    beside = [None] * len(tokens) if beside is None else beside
    if not isinstance(logprobs, list) or not isinstance(beside, list):
        raise ValueError("token_logprobs and top_logprobs must be lists")
    for token, logprob, words in zip(tokens, logprobs, beside, strict=True):
        if not isinstance(words, Mapping | None):
            raise ValueError("top_logprobs must map words to numbers")
        others = [{"token": word, "logprob": number} for word, number in (words or {}).items()]
        yield Place(_word({"token": token, "logprob": logprob}), tuple(map(_word, others)))


def _each(value: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise ValueError("must be a list of objects")
    return value


def _word(given: Mapping[str, Any]) -> Word:
    """Read a token: its bytes, where the server gives them, say what it is."""
    token, logprob, data = given.get("token"), given.get("logprob"), given.get("bytes")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        raise ValueError("a token is a text with a number")
    if not math.isfinite(logprob):
        raise ValueError("a logprob is finite")
    if data is None:
        return Word(token.encode(), float(logprob))
    if not isinstance(data, list) or not all(type(one) is int for one in data):
        raise ValueError("bytes are numbers")
    return Word(bytes(data), float(logprob))


def _as_chat(places: Sequence[Place]) -> Mapping[str, Any]:
    content = [
        {**_token(place.chosen), "top_logprobs": [_token(word) for word in place.beside]} for place in places
    ]
    return {"content": content, "refusal": None}


def _token(word: Word) -> dict[str, Any]:
    return {"token": word.text, "logprob": word.logprob, "bytes": list(word.data)}


def _as_completion(places: Sequence[Place]) -> Mapping[str, Any]:
    texts = [place.chosen.text for place in places]
    return {
        "tokens": texts,
        "token_logprobs": [place.chosen.logprob for place in places],
        "top_logprobs": [_by_text(place.beside) for place in places],
        "text_offset": [0, *accumulate(map(len, texts))][: len(texts)],
    }


def _by_text(words: Sequence[Word]) -> Mapping[str, float]:
    """Give each text its likeliest token's number: several may look alike, such as parts of letters."""
    numbers: dict[str, float] = {}
    for word in words:
        numbers.setdefault(word.text, word.logprob)
    return numbers
