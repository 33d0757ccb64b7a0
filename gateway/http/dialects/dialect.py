"""What a dialect is: a client's body to requests, outcomes to a body or to the events of a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from gateway.errors import LetheError
from gateway.guard.loop import Outcome
from gateway.upstream.protocol import ChatRequest

__all__ = ["Asked", "Dialect", "Telling"]


class Asked(Protocol):
    """A decoded body: what to ask of the guard, and how this client wants to be answered.

    Outcomes are given in the order of ``requests``, one for each.
    """

    @property
    def requests(self) -> tuple[ChatRequest, ...]:
        """What goes through the loop, each by itself."""
        ...

    @property
    def stream(self) -> bool:
        """Say whether the client wants server-sent events."""
        ...

    def body(self, outcomes: Sequence[Outcome], *, disclosed: bool) -> dict[str, Any]:
        """Encode the whole answer."""
        ...

    def telling(self) -> Telling:
        """Begin a stream of server-sent events."""
        ...

    def failure(self, error: LetheError) -> Iterator[bytes]:
        """Encode an error that comes after the stream has begun, up to the end of the stream."""
        ...


class Telling(Protocol):
    """An answer as it is told in server-sent events."""

    def segment(self, text: str) -> Iterator[bytes]:
        """Encode the next segment of the one answer's content."""
        ...

    def end(self, outcomes: Sequence[Outcome], *, disclosed: bool) -> Iterator[bytes]:
        """Encode what has not been told by segments, up to and with the event that ends the stream.

        What was told is the beginning of the one outcome's content.
        """
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """A path, the shape of its body, and how a body is read. ``decode`` raises ``InvalidInput``."""

    path: str
    shape: type[BaseModel]
    decode: Callable[[bytes], Asked]
