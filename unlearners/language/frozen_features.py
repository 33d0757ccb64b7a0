"""Texts as rows of features, from a language model that stays as it is. Knows no unlearner and no chat.

The certificate of a head on these features covers the head: the backbone must never have learned the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from unlearners.data import Dataset
from unlearners.fields import field, object_in, optional

__all__ = ["LabelledTexts", "features_of_texts", "mean_hidden_states", "read_labelled_texts"]


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts with their labels and ids (the line numbers, where a file gives none)."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    ids: tuple[str, ...]


def read_labelled_texts(path: Path) -> LabelledTexts:
    """Read JSON Lines with ``text``, ``label`` and perhaps ``id``, all texts. ``ValueError`` names the line."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            source = object_in(line)
            rows.append((field(source, "text", str), field(source, "label", str), optional(source, "id", str)))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
    ids = tuple(str(place) if name is None else name for place, (_, _, name) in enumerate(rows))
    return LabelledTexts(tuple(row[0] for row in rows), tuple(row[1] for row in rows), ids)


def features_of_texts(backbone: Path, rows: LabelledTexts, *, most_tokens: int = 512) -> Dataset:
    """Encode the texts with a Hugging Face checkpoint on disk, as rows of norm 1."""
    tokenizer = AutoTokenizer.from_pretrained(backbone, local_files_only=True)
    model = AutoModel.from_pretrained(backbone, local_files_only=True)
    tokens = [tokenizer(text, truncation=True, max_length=most_tokens)["input_ids"] for text in rows.texts]
    values, numbered = np.unique(rows.labels, return_inverse=True)
    classes = tuple(str(value) for value in values)
    features = mean_hidden_states(model, tokens)
    return Dataset(features, numbered.astype(np.int64), classes, rows.ids).with_unit_rows()


def mean_hidden_states(model: torch.nn.Module, tokens: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return the mean over a text's tokens of the last hidden states, shape (texts, width).

    One text at a time, without padding: a row depends on its own text alone. Raises ``ValueError`` for a text
    without tokens.
    """
    model.eval()
    found = []
    device = next(model.parameters()).device
    with torch.inference_mode():
        for number, ids in enumerate(tokens):
            if not ids:
                raise ValueError(f"text {number} has no tokens")
            hidden = model(input_ids=torch.tensor([list(ids)], device=device)).last_hidden_state
            found.append(hidden[0].float().mean(dim=0).double().cpu().numpy())
    return np.stack(found)
