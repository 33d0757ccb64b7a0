"""A trace: the stretches of work in one request, and how each ended. Knows no backend and no content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Literal, Protocol, TypeAlias

__all__ = ["UNTRACED", "Note", "SpanName", "Trace", "together"]

SpanName: TypeAlias = Literal["answer", "generate", "judge"]
"""``answer``: a whole request. ``generate``: one call of the model. ``judge``: one candidate's verification."""

Value: TypeAlias = str | int | float | bool


class Note(Protocol):
    """Adds to a running span what turned out on the way. No value quotes a conversation or names a topic."""

    def __call__(self, **found: Value) -> None:
        """Take the values."""
        ...


class Trace(Protocol):
    """Somebody who is told of work while it goes on."""

    def span(self, name: SpanName, **known: Value) -> AbstractContextManager[Note]:
        """Cover the block; an exception that leaves it is noted by its kind and goes on."""
        ...


class _Untraced:
    @contextmanager
    def span(self, name: SpanName, **known: Value) -> Iterator[Note]:
        """Tell nobody."""
        yield _ignore


class _Together:
    def __init__(self, traces: Sequence[Trace]) -> None:
        self._traces = tuple(traces)

    @contextmanager
    def span(self, name: SpanName, **known: Value) -> Iterator[Note]:
        """Tell each in turn."""
        with ExitStack() as stack:
            notes = [stack.enter_context(trace.span(name, **known)) for trace in self._traces]

            def note(**found: Value) -> None:
                for each in notes:
                    each(**found)

            yield note


def _ignore(**found: Value) -> None:
    pass


UNTRACED: Trace = _Untraced()
"""Tells nobody."""


def together(*traces: Trace) -> Trace:
    """Make a trace that tells all of these."""
    if not traces:
        return UNTRACED
    return traces[0] if len(traces) == 1 else _Together(traces)
