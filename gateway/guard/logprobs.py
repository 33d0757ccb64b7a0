"""Logprobs: the words that a model weighed at each place of its answer, read as text. Knows no topics, no scores.

A client reads them beside the answer, so each must be judged as if it had been said: in its place behind what
stood before it, and in a row with those of the same rank at the other places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.upstream.logprobs import Place, Word, read_logprobs, written_logprobs

__all__ = ["Weighed", "weighed"]

_NEAR_CHARS: Final = 60
"""How much of the answer stands before the words of a place where they are judged."""
_MOST_CHARS: Final = 400_000
"""Beyond this there is more to judge than anybody waits for."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """The places of an answer. ``completion``: as text completions write them, else as chats do."""

    places: tuple[Place, ...]
    completion: bool = False

    @property
    def text(self) -> str:
        """All that can be read from them, for a verifier."""
        return "\n".join([*self._in_place(), *self._in_rank()])

    @property
    def extras(self) -> Mapping[str, Any]:
        """Write them anew, with nothing in them that has not been read."""
        return {"logprobs": written_logprobs(self.places, completion=self.completion)}

    def _in_place(self) -> Iterator[str]:
        said = ""
        for place in self.places:
            begun = "" if said[-1:].isspace() else said.rpartition(" ")[2]
            words = [begun + one.text if one.text[:1].isalnum() else one.text for one in _others(place)]
            if words:
                yield " ".join([said[-_NEAR_CHARS:].strip(), *words])
            said = (said + place.chosen.text)[-2 * _NEAR_CHARS :]

    def _in_rank(self) -> Iterator[str]:
        others = [_others(place) for place in self.places]
        for rank in range(max(map(len, others), default=0)):
            yield "".join(words[rank].text for words in others if rank < len(words))


def _others(place: Place) -> Sequence[Word]:
    return [word for word in place.beside if word.data != place.chosen.data]


def weighed(extras: Mapping[str, Any], content: object) -> Weighed | None:
    """Read a choice's logprobs; None where there are none, or they do not spell its content, or are too many.

    What stands behind the content, such as a mark of the end, is left out.
    """
    given = extras.get("logprobs")
    if not isinstance(given, Mapping) or not isinstance(content, str) or not content:
        return None
    try:
        places = tuple(_spelling(content, read_logprobs(given)))
    except ValueError:  # of half a letter, too, which nothing can be sent as
        return None
    read = sum(_NEAR_CHARS + 2 * sum(len(word.data) for word in place.beside) for place in places)
    return Weighed(places, "tokens" in given) if read <= _MOST_CHARS else None


def _spelling(content: str, places: Iterable[Place]) -> Iterator[Place]:
    """Give the places that spell the content. Raises ``ValueError`` where they spell something else."""
    left = content.encode()
    for place in places:
        if not left:
            return
        if not place.chosen.data or not left.startswith(place.chosen.data):
            raise ValueError("the tokens do not spell the answer")
        left = left[len(place.chosen.data) :]
        yield place
    if left:
        raise ValueError("the tokens end before the answer")
