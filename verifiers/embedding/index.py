"""Statements as one matrix of embeddings, and exchanges compared with it by one product. Knows no scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from verifiers.embedding.embedder import Embedder
from verifiers.embedding.pooling import Floats, Ints
from verifiers.embedding.sentences import Sentence, sentences, tail
from verifiers.protocol import Exchange
from verifiers.statements import Statement

__all__ = ["Known", "Likeness", "StatementIndex"]

_CONTEXT_CHARS = 300
_PROMPT_SENTENCES = 64

Known = Mapping[bytes, Floats]
"""Vectors of texts by the digest of the text."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like the answer's sentences are to the statements, and the prompt.

    ``said`` has shape (sentences, statements): the larger of the cosines of the sentence alone and of the question
    with the sentence. ``asked`` has shape (statements,): the largest cosine of a sentence of the prompt. Both are
    cut off below 0. ``unknown`` is the share of tokens that the model does not know.
    """

    pieces: tuple[Sentence, ...]
    said: Floats
    asked: Floats
    unknown: float


class StatementIndex:
    """The embeddings of statements. ``known`` keeps them from being computed again when topics change."""

    def __init__(self, embedder: Embedder, statements: Sequence[Statement], known: Known) -> None:
        self._embedder = embedder
        self.statements = tuple(statements)
        digests = [hashlib.sha256(each.text.encode("utf-8", "surrogatepass")).digest() for each in statements]
        texts = {digest: each.text for digest, each in zip(digests, statements, strict=True)}
        missing = {digest: text for digest, text in texts.items() if digest not in known}
        made: dict[bytes, Floats] = {}
        if missing:
            embedded = embedder.embed(tuple(missing.values()))
            firsts = np.searchsorted(embedded.owners, np.arange(1, len(missing)))
            made = dict(zip(missing, np.split(embedded.vectors, firsts), strict=True))
        self.known: Known = {digest: known[digest] if digest in known else made[digest] for digest in digests}
        rows = [self.known[digest] for digest in digests]
        self._matrix: Floats = np.concatenate(rows) if rows else np.zeros((0, 0), np.float32)
        self._starts: Ints = np.cumsum([0, *(len(each) for each in rows[:-1])]).astype(np.int64)

    def compare(self, exchange: Exchange, *, most_windows: int) -> Likeness:
        """Compare every sentence of the answer with every statement.

        The sentence stands alone, and once more after the end of the question: "on the coast" says little by
        itself. Of a long prompt only the last 64 sentences count as asked, which errs on the strict side. Raises
        ``TooManyWindows`` and ``FloatingPointError``.
        """
        pieces = sentences(exchange.answer)
        context = tail(exchange.question, _CONTEXT_CHARS)
        asked = [part for each in sentences(exchange.prompt)[-_PROMPT_SENTENCES:] for part in _parts(each.text)]
        joined = [f"{context} {piece.text}" for piece in pieces] if context else []
        texts = [*(piece.text for piece in pieces), *joined, *asked]
        embedded = self._embedder.embed(texts, most_windows=most_windows)
        near = self._near(embedded.vectors)
        said = np.zeros((len(pieces), len(self.statements)), np.float32)
        most_asked = np.zeros(len(self.statements), np.float32)
        own = len(pieces) + len(joined)
        for row, owner in enumerate(embedded.owners):
            if owner < own:
                np.maximum(said[owner % len(pieces)], near[row], out=said[owner % len(pieces)])
            else:
                np.maximum(most_asked, near[row], out=most_asked)
        return Likeness(pieces, said, most_asked, embedded.unknown)

    def _near(self, vectors: Floats) -> Floats:
        """Return the cosines in [0, 1], shape (rows, statements); of a long statement that of its nearest part."""
        cosines = np.clip(vectors @ self._matrix.T, 0.0, 1.0)
        if not np.isfinite(cosines).all():
            raise FloatingPointError("a cosine is not finite")
        return np.asarray(np.maximum.reduceat(cosines, self._starts, axis=1), np.float32)


def _parts(sentence: str) -> list[str]:
    """Give a sentence of the prompt, and by itself what it announces: "Translate this: …"."""
    _, colon, announced = sentence.partition(": ")
    return [sentence, announced] if colon and announced.strip() else [sentence]
