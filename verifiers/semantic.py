"""The semantic verifier: is a sentence of an answer like what a topic says? Knows no thresholds and no engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from verifiers.embedding.embedder import Embedder, TooManyWindows
from verifiers.embedding.index import Known, Likeness, StatementIndex
from verifiers.embedding.pooling import Floats
from verifiers.identity import fingerprint_of
from verifiers.protocol import Abstained, Evidence, Exchange, Scored, Topic, Verdict
from verifiers.statements import only_disclaims, statements_of, telling_words

__all__ = ["Semantic", "leakage_of"]

_REVISION: Final = "1"
_ROOM: Final = 0.1
_MOST_UNKNOWN: Final = 0.5


def leakage_of(said: Floats, asked: Floats, disclaims: NDArray[np.bool_], echo: float) -> Floats:
    """Turn cosines with statements into leakage.

    With c the cosine of the answer and q that of the prompt, both in [0, 1], leakage is (1 - w) c + w n, where
    n = max(0, c - q) / max(1 - q, 0.1) is the part of the way from the prompt to the statement that the answer
    goes, and w = q ** ``echo``. It rises with c and falls with q: a prompt that is far from the statement leaves
    the cosine as it is; one that holds the statement makes its repetition nothing. A sentence that ``disclaims``
    counts by what it adds alone (w = 1): "I do not know where she was born" is near to where she was born.

    Args:
        said: shape (sentences, statements).
        asked: shape (statements,).
        disclaims: shape (sentences,).
        echo: positive.
    """
    weight = np.where(disclaims[:, None], np.float32(1.0), asked**echo)
    news = np.maximum(0.0, said - asked) / np.maximum(1.0 - asked, _ROOM)
    return np.asarray((1.0 - weight) * said + weight * np.minimum(news, 1.0), np.float32)


class Semantic:
    """Scores an answer by the cosine between its sentences and the facts, descriptions and texts of topics.

    A sentence counts alone and in the context of the question, whichever is nearer; `leakage_of` says how the
    prompt's own nearness lowers it. Leakage below ``floor`` counts as none. Abstains on more than ``most_windows``
    pieces of text, and where the model does not know more than half of what it reads. Sees meaning, not truth: a
    wrong birthplace is nearly as near as the right one. Sees nothing of a topic that is a name alone.
    """

    name = "semantic"

    def __init__(
        self, embedder: Embedder, *, echo: float = 8.0, floor: float = 0.3, most_windows: int = 1024
    ) -> None:
        if not echo > 0 or not 0.0 <= floor < 1.0 or most_windows < 1:
            raise ValueError(
                f"echo must be positive, floor in [0, 1) and most_windows at least 1, got {echo}, {floor} and "
                f"{most_windows}"
            )
        self._embedder = embedder
        self._rules = _Rules(echo, floor, most_windows)
        self._known: Known = {}

    @property
    def fingerprint(self) -> str:
        """See `Verifier`."""
        rules = self._rules
        return fingerprint_of(
            self.name,
            _REVISION,
            embedder=self._embedder.fingerprint,
            echo=rules.echo,
            floor=rules.floor,
            most_windows=rules.most_windows,
        )

    def prepare(self, topics: Sequence[Topic]) -> _SemanticJudge:
        """Embed what the topics say; what the last call embedded already is not embedded again."""
        index = StatementIndex(self._embedder, statements_of(topics), self._known)
        self._known = index.known
        return _SemanticJudge(index, tuple(topic.id for topic in topics), self._rules)


@dataclass(frozen=True, slots=True)
class _Rules:
    echo: float
    floor: float
    most_windows: int


@dataclass(frozen=True, slots=True)
class _SemanticJudge:
    index: StatementIndex
    ids: tuple[str, ...]
    rules: _Rules

    async def __call__(self, exchange: Exchange) -> Verdict:
        if not self.index.statements or not exchange.answer.strip():
            return Scored(0.0)
        return await asyncio.to_thread(self._judge, exchange)

    def _judge(self, exchange: Exchange) -> Verdict:
        try:
            likeness = self.index.compare(exchange, most_windows=self.rules.most_windows)
        except (TooManyWindows, FloatingPointError) as error:
            return Abstained(str(error))
        if likeness.unknown > _MOST_UNKNOWN:
            return Abstained("the embedding model does not know most of the characters")
        evidence = self._evidence(exchange, likeness)
        return Scored(evidence[0].leakage if evidence else 0.0, evidence)

    def _evidence(self, exchange: Exchange, likeness: Likeness) -> tuple[Evidence, ...]:
        """Give the worst sentence and statement of every topic that comes to ``floor``."""
        disclaims = np.array([only_disclaims(exchange, piece.span) for piece in likeness.pieces])
        leakage = leakage_of(likeness.said, likeness.asked, disclaims, self.rules.echo)
        worst: list[int] = leakage.argmax(axis=0).tolist()
        best: dict[int, tuple[float, int]] = {}
        for at in np.flatnonzero(leakage.max(axis=0) >= self.rules.floor):
            found = float(leakage[worst[at], at]), int(at)
            topic = self.index.statements[at].topic
            if topic not in best or found[0] > best[topic][0]:
                best[topic] = found
        words = {
            at: telling_words(exchange, likeness.pieces[at].span) for at in {worst[at] for _, at in best.values()}
        }
        evidence = [
            self._of(likeness, worst[at], at, value, words[worst[at]]) for value, at in best.values() if value > 0
        ]
        return tuple(sorted(evidence, key=lambda each: (-each.leakage, each.topic_id)))

    def _of(self, likeness: Likeness, piece: int, at: int, leakage: float, words: tuple[str, ...]) -> Evidence:
        statement, span = self.index.statements[at], likeness.pieces[piece].span
        cosine, asked = likeness.said[piece, at], likeness.asked[at]
        reason = f"like {statement.label}: cosine {cosine:.2f}, of the prompt {asked:.2f}"
        return Evidence(self.ids[statement.topic], "semantic", round(leakage, 6), reason, (span,), words)
