"""Texts as rows of features, from a language model that stays as it is. Knows no unlearner and no chat.

The certificate of a head on these features covers the head: the backbone must never have learned the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from unlearners.data import Dataset
from unlearners.fields import field, object_in, optional
from unlearners.language.hidden_states import hidden_states

__all__ = [
    "LabelledTexts",
    "Whitening",
    "features_of_texts",
    "mean_hidden_states",
    "read_labelled_texts",
    "read_texts",
    "whitening_of",
]

FLOOR = 1e-3
"""The share of the largest variance that is added to each, so that noise is not blown up."""

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts with their labels and ids (their positions from 0, where a file gives none)."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """A shift (d,) and a matrix (d, d) that spread features evenly over all directions, found on public texts.

    Hidden states lie close together; what tells texts apart is in directions that a head of bounded norm hardly
    sees otherwise.
    """

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (x - mean)·matrix for each row."""
        return np.asarray((features - self.mean) @ self.matrix)


def whitening_of(features: NDArray[np.float64]) -> Whitening:
    """Return the whitening of public features (n, d). Raises ``ValueError`` for fewer than two rows."""
    if len(features) < 2:
        raise ValueError("whitening takes at least two public texts, better some thousands")
    values, vectors = np.linalg.eigh(np.cov(features.T))
    return Whitening(features.mean(axis=0), vectors / np.sqrt(np.maximum(values, 0) + FLOOR * values.max()))


def read_labelled_texts(path: Path) -> LabelledTexts:
    """Read JSON Lines with ``text``, ``label`` and perhaps ``id``, all texts. ``ValueError`` names the line."""
    rows = _read(path, lambda one: (field(one, "text", str), field(one, "label", str), optional(one, "id", str)))
    ids = tuple(str(place) if name is None else name for place, (_, _, name) in enumerate(rows))
    return LabelledTexts(tuple(row[0] for row in rows), tuple(row[1] for row in rows), ids)


def read_texts(path: Path) -> tuple[str, ...]:
    """Read JSON Lines with ``text``, whatever else they hold. ``ValueError`` names the line."""
    return tuple(_read(path, lambda one: field(one, "text", str)))


def _read(path: Path, decode: Callable[[dict[str, object]], RowT]) -> list[RowT]:
    rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(decode(object_in(line)))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    return rows


def features_of_texts(
    backbone: Path,
    rows: LabelledTexts,
    *,
    public: Sequence[str] = (),
    most_tokens: int = 512,
    accelerator: Accelerator | None = None,
) -> Dataset:
    """Encode the texts with a Hugging Face checkpoint on disk, as rows of norm 1, whitened by public texts.

    On the device of ``accelerator`` (None: the CPU), whose processes share the texts and all get all.
    """
    tokenizer = AutoTokenizer.from_pretrained(backbone, local_files_only=True)
    model = AutoModel.from_pretrained(backbone, local_files_only=True)
    if accelerator is not None:
        model = model.to(accelerator.device)

    def encoded(texts: Sequence[str]) -> NDArray[np.float64]:
        tokens = [tokenizer(text, truncation=True, max_length=most_tokens)["input_ids"] for text in texts]
        return mean_hidden_states(model, tokens, accelerator=accelerator)

    values, numbered = np.unique(rows.labels, return_inverse=True)
    features = encoded(rows.texts)
    if public:
        features = whitening_of(encoded(public))(features)
    return Dataset(
        features, numbered.astype(np.int64), tuple(str(value) for value in values), rows.ids
    ).with_unit_rows()


def mean_hidden_states(
    model: torch.nn.Module,
    tokens: Sequence[Sequence[int]],
    *,
    accelerator: Accelerator | None = None,
    batch: int | None = None,
) -> NDArray[np.float64]:
    """Return the mean over a text's tokens of the last hidden states, shape (texts, width).

    A row depends on its own text alone; see ``hidden_states`` for the rest.
    """

    def mean(place: int, states: torch.Tensor) -> torch.Tensor:
        return states.float().mean(dim=0)

    return np.stack(hidden_states(model, tokens, mean, accelerator=accelerator, batch=batch))
