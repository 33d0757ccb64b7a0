"""Logprobs: the words that a model weighed at each place of its answer, read as text. Knows no topics, no scores.

A client reads them beside the answer, so each must be judged as if it had been said: in its place behind what
stood before it, and in a row with those of the same rank at the other places.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Weighed", "weighed"]

_NEAR_CHARS: Final = 60
"""How much of the answer stands before the words of a place where they are judged."""
_MOST_CHARS: Final = 400_000
"""Beyond this there is more to judge than anybody waits for."""


class _Unreadable(Exception):
    """Something is not as a model server writes it."""


@dataclass(frozen=True, slots=True)
class _Word:
    data: bytes
    logprob: float

    @property
    def text(self) -> str:
        """Give it as text; a word that is a part of a letter shows as a mark."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class _Place:
    chosen: _Word
    beside: tuple[_Word, ...]

    @property
    def others(self) -> Sequence[_Word]:
        return [word for word in self.beside if word.data != self.chosen.data]


@dataclass(frozen=True, slots=True)
class Weighed:
    """The places of an answer. ``completion``: as text completions write them, else as chats do."""

    places: tuple[_Place, ...]
    completion: bool = False

    @property
    def text(self) -> str:
        """All that can be read from them, for a verifier."""
        return "\n".join([*self._in_place(), *self._in_rank()])

    def _in_place(self) -> Iterator[str]:
        said = ""
        for place in self.places:
            begun = "" if said[-1:].isspace() else said.rpartition(" ")[2]
            words = [begun + one.text if one.text[:1].isalnum() else one.text for one in place.others]
            if words:
                yield " ".join([said[-_NEAR_CHARS:].strip(), *words])
            said = (said + place.chosen.text)[-2 * _NEAR_CHARS :]

    def _in_rank(self) -> Iterator[str]:
        ranks = max((len(place.others) for place in self.places), default=0)
        for rank in range(ranks):
            yield "".join(place.others[rank].text for place in self.places if rank < len(place.others))

    @property
    def extras(self) -> Mapping[str, Any]:
        """Write them anew, with nothing in them that has not been read."""
        return {"logprobs": self._as_completion() if self.completion else self._as_chat()}

    def _as_chat(self) -> Mapping[str, Any]:
        content = [
            {**_token(place.chosen), "top_logprobs": [_token(word) for word in place.beside]}
            for place in self.places
        ]
        return {"content": content, "refusal": None}

    def _as_completion(self) -> Mapping[str, Any]:
        texts = [place.chosen.text for place in self.places]
        return {
            "tokens": texts,
            "token_logprobs": [place.chosen.logprob for place in self.places],
            "top_logprobs": [{word.text: word.logprob for word in place.beside} for place in self.places],
            "text_offset": [sum(map(len, texts[:index])) for index in range(len(texts))],
        }


def weighed(extras: Mapping[str, Any], content: object) -> Weighed | None:
    """Read a choice's logprobs; None where there are none, or they do not spell its content, or are too many.

    What stands behind the content, such as a mark of the end, is left out.
    """
    given = extras.get("logprobs")
    if not isinstance(given, Mapping) or not isinstance(content, str) or not content:
        return None
    completion = "tokens" in given
    try:
        places = tuple(_spelling(content, _of_completion(given) if completion else _of_chat(given)))
    except (_Unreadable, UnicodeEncodeError):
        return None
    found = Weighed(places, completion)
    read = sum(_NEAR_CHARS + 2 * sum(len(word.data) for word in place.beside) for place in places)
    return found if read <= _MOST_CHARS else None


def _spelling(content: str, places: Iterator[_Place]) -> Iterator[_Place]:
    """Give the places that spell the content. Raises ``_Unreadable`` where they spell something else."""
    left = content.encode()
    for place in places:
        if not left:
            return
        if not place.chosen.data or not left.startswith(place.chosen.data):
            raise _Unreadable
        left = left[len(place.chosen.data) :]
        yield place
    if left:
        raise _Unreadable


def _of_chat(given: Mapping[str, Any]) -> Iterator[_Place]:
    for place in _each(given.get("content")):
        yield _Place(_word(place), tuple(_word(word) for word in _each(place.get("top_logprobs") or [])))


def _of_completion(given: Mapping[str, Any]) -> Iterator[_Place]:
    tokens, logprobs = given.get("tokens"), given.get("token_logprobs")
    beside = given.get("top_logprobs") or [None] * len(tokens if isinstance(tokens, list) else [])
    if not (isinstance(tokens, list) and isinstance(logprobs, list) and isinstance(beside, list)):
        raise _Unreadable
    if not len(tokens) == len(logprobs) == len(beside):
        raise _Unreadable
    for token, logprob, words in zip(tokens, logprobs, beside, strict=True):
        if not isinstance(words, Mapping | None):
            raise _Unreadable
        others = [{"token": word, "logprob": number} for word, number in (words or {}).items()]
        yield _Place(_word({"token": token, "logprob": logprob}), tuple(map(_word, others)))


def _each(value: object) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise _Unreadable
    return value


def _word(given: Mapping[str, Any]) -> _Word:
    """Read a word: its bytes, where the server gives them, say what it is."""
    token, logprob, data = given.get("token"), given.get("logprob"), given.get("bytes")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        raise _Unreadable
    if not math.isfinite(logprob):
        raise _Unreadable
    if data is None:
        return _Word(token.encode(), float(logprob))
    if not isinstance(data, list) or not all(type(one) is int and 0 <= one < 256 for one in data):
        raise _Unreadable
    return _Word(bytes(data), float(logprob))


def _token(word: _Word) -> dict[str, Any]:
    return {"token": word.text, "logprob": word.logprob, "bytes": list(word.data)}
