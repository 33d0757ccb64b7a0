"""All that a client sees of an answer: every text of the body and the headers. Knows no gateway."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx
import orjson

__all__ = ["Seen", "seen"]

_OUR_OWN = frozenset({"date", "content-length", "content-type", "x-request-id"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A status, and the texts in three ways: one by one, those of one place put together, and all in a row.

    ``content`` is what the client's program takes for the answer.
    """

    status: int
    text: str
    content: str


def seen(response: httpx.Response) -> Seen:
    """Read an answer, streamed or not."""
    streamed = response.headers.get("content-type", "").startswith("text/event-stream")
    bodies = list(_events(response.text)) if streamed else [_json(response)]
    by_place: dict[str, list[str]] = defaultdict(list)
    for body in bodies:
        for place, text in _texts(body, ""):
            by_place[place].append(text)
    headers = [value for name, value in response.headers.items() if name not in _OUR_OWN]
    every = [text for texts in by_place.values() for text in texts]
    together = ["".join(texts) for texts in by_place.values()]
    text = "\n".join((*headers, " ".join(every), "".join(every), *together))
    return Seen(response.status_code, text, _content(by_place))


def _content(by_place: Mapping[str, list[str]]) -> str:
    for ending in (".message.content", ".delta.content", ".text", ".delta"):
        for place, texts in by_place.items():
            if place.endswith(ending):
                return "".join(texts)
    return ""


def _events(text: str) -> Iterator[object]:
    for line in text.splitlines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield orjson.loads(line.removeprefix("data: "))


def _parsed(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _json(response: httpx.Response) -> object:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return response.text


def _texts(value: object, place: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield place, value
            if value.startswith("{"):  # as a client reads a call's arguments
                yield from _texts(_parsed(value), f"{place}.parsed")
        case dict():
            for key, inner in value.items():
                yield f"{place}.keys", str(key)
                yield from _texts(inner, f"{place}.{key}")
        case list():
            for inner in value:
                yield from _texts(inner, f"{place}[]")
