"""Selection: the few topics whose statements are worth a dear model's reading. Knows no scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import numpy as np

from verifiers.attribution import mentions_of
from verifiers.embedding.embedder import Embedder
from verifiers.embedding.index import Known, StatementIndex
from verifiers.identity import fingerprint_of
from verifiers.protocol import Exchange, Topic
from verifiers.statements import statements_of

__all__ = ["ByMeaning", "ByMention", "Select", "Selection"]

_REVISION: Final = "1"

Select: TypeAlias = Callable[[Exchange], tuple[int, ...]]
"""Gives the places of the topics to read about, ascending. Computes; call it in a thread."""


class Selection(Protocol):
    """A way of choosing topics by cheap means. What it does not choose is not read: its misses are misses."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the choice could change."""
        ...

    def prepare(self, topics: Sequence[Topic]) -> Select:
        """Build the index."""
        ...


class ByMention:
    """Chooses the topics that the exchange names, in any disguise, or describes by what their facts say."""

    fingerprint = fingerprint_of("by-mention", _REVISION)

    def prepare(self, topics: Sequence[Topic]) -> Select:
        """See `Selection`."""
        mentions = mentions_of(tuple(topics))
        return lambda exchange: tuple(sorted(mentions.pointing(exchange).topics))


class ByMeaning:
    """Chooses what `ByMention` does, and topics with a statement like the answer: cosine ``floor`` or more.

    Raises, when choosing, ``TooManyWindows`` for what is longer than ``most_windows`` pieces, and
    ``FloatingPointError``.
    """

    def __init__(self, embedder: Embedder, *, floor: float = 0.5, most_windows: int = 1024) -> None:
        if not 0.0 < floor <= 1.0 or most_windows < 1:
            raise ValueError(f"floor must lie in (0, 1] and most_windows be positive, got {floor}, {most_windows}")
        self._embedder = embedder
        self._floor = floor
        self._most_windows = most_windows
        self._known: Known = {}

    @property
    def fingerprint(self) -> str:
        """See `Selection`."""
        embedder, mention = self._embedder.fingerprint, ByMention.fingerprint
        limits = {"floor": self._floor, "most_windows": self._most_windows}
        return fingerprint_of("by-meaning", _REVISION, embedder=embedder, mention=mention, **limits)

    def prepare(self, topics: Sequence[Topic]) -> Select:
        """See `Selection`."""
        index = StatementIndex(self._embedder, statements_of(topics), self._known)
        self._known = index.known
        named = ByMention().prepare(topics)

        def select(exchange: Exchange) -> tuple[int, ...]:
            found = set(named(exchange))
            if index.statements and exchange.answer.strip():
                near = index.compare(exchange, most_windows=self._most_windows).said.max(axis=0, initial=0.0)
                found |= {index.statements[at].topic for at in np.flatnonzero(near >= self._floor)}
            return tuple(sorted(found))

        return select
