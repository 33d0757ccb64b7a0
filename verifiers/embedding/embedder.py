"""From texts to unit vectors, batched, whatever the engine. Knows no topics and no scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from tokenizers import Encoding, Tokenizer

from verifiers.embedding.layout import Layout
from verifiers.embedding.pooling import Floats, Ints, pool

__all__ = ["Embedded", "Embedder", "Engine", "SentenceEmbedder", "TooManyWindows", "check_company"]

_REVISION = "1"
_COMPANY = 1e-3


class TooManyWindows(ValueError):
    """The texts are longer than what may be read at once."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Unit vectors, shape (rows, width), and which text each row is of, ascending: a long text has several.

    ``unknown`` is the share of all tokens that the model's vocabulary does not have.
    """

    vectors: Floats
    owners: Ints
    unknown: float


class Embedder(Protocol):
    """Gives texts of like meaning vectors of large cosine. Deterministic; safe to call from several threads."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever a vector could change."""
        ...

    def embed(self, texts: Sequence[str], *, most_windows: int | None = None) -> Embedded:
        """Embed every text whole; a long one in several windows. Raises ``TooManyWindows``."""
        ...


class Engine(Protocol):
    """Runs a transformer encoder."""

    @property
    def fingerprint(self) -> str:
        """Changes with the weights, and with the arithmetic that could change a vector visibly."""
        ...

    def run(self, ids: Ints, mask: Ints, types: Ints) -> Floats:
        """Return the last hidden states, shape (texts, tokens, width), for inputs of shape (texts, tokens)."""
        ...


class SentenceEmbedder:
    """A checkpoint on an engine. Texts of like length go through it together, ``batch`` at a time."""

    def __init__(self, layout: Layout, engine: Engine, *, batch: int = 32) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self._layout = layout
        self._engine = engine
        self._batch = batch
        self._tokenizer: Tokenizer = layout.tokenizer()
        self._unknown_id = _unknown_id(self._tokenizer)
        # Which texts share a batch changes no vector but in the last bits, so the size is not part of it.
        read = [layout.pooling, layout.most_tokens, layout.lower_case, layout.prompt, self._tokenizer.to_str()]
        parts = [_REVISION, engine.fingerprint, *read]
        self.fingerprint = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def embed(self, texts: Sequence[str], *, most_windows: int | None = None) -> Embedded:
        """See `Embedder`."""
        encodings = self._tokenizer.encode_batch([self._layout.prompt + text for text in texts])
        rows = [(owner, row) for owner, first in enumerate(encodings) for row in (first, *first.overflowing)]
        if most_windows is not None and len(rows) > most_windows:
            raise TooManyWindows(f"{len(rows)} pieces of text, of which {most_windows} may be read at once")
        if not rows:
            return Embedded(np.zeros((0, 0), np.float32), np.zeros(0, np.int64), 0.0)
        order = sorted(range(len(rows)), key=lambda at: len(rows[at][1].ids))
        parts = [self._vectors([rows[at][1] for at in some]) for some in _chunks(order, self._batch)]
        vectors = np.empty((len(rows), parts[0].shape[1]), np.float32)
        vectors[order] = np.concatenate(parts)
        owners = np.array([owner for owner, _ in rows], np.int64)
        return Embedded(vectors, owners, self._unknown([row for _, row in rows]))

    def _vectors(self, rows: Sequence[Encoding]) -> Floats:
        """Pad to the longest and run."""
        length = max(len(row.ids) for row in rows)
        ids, mask, types = (np.zeros((len(rows), length), np.int64) for _ in range(3))
        for at, row in enumerate(rows):
            ids[at, : len(row.ids)] = row.ids
            mask[at, : len(row.ids)] = 1
            types[at, : len(row.ids)] = row.type_ids
        return pool(self._engine.run(ids, mask, types), mask, self._layout.pooling)

    def _unknown(self, rows: Sequence[Encoding]) -> float:
        if self._unknown_id is None:
            return 0.0
        said = [
            token
            for row in rows
            for token, special in zip(row.ids, row.special_tokens_mask, strict=True)
            if not special
        ]
        return said.count(self._unknown_id) / len(said) if said else 0.0


def check_company(embedder: Embedder) -> None:
    """Raise ``ValueError`` if a text's vector depends on which texts are embedded with it.

    A model whose activations are quantised on the fly is like that (cosines of 0.97 to 0.99 were measured), and
    then a statement would be compared differently whenever topics change.
    """
    texts = ("One.", "This is another text, which is quite a bit longer.", "How long is a third?")
    together = embedder.embed(texts).vectors
    alone = np.concatenate([embedder.embed([text]).vectors for text in texts])
    if not np.allclose(together, alone, atol=_COMPANY):
        raise ValueError("the embedding model gives a text another vector in company: open it with a batch of 1")


def _chunks(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (order[at : at + size] for at in range(0, len(order), size))


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    token = json.loads(tokenizer.to_str())["model"].get("unk_token")
    return tokenizer.token_to_id(token) if isinstance(token, str) else None
