"""Export of an encoder to ONNX, once, checked against torch. Knows no text.

``python -m verifiers.embedding.export DIR OUT`` writes OUT for the encoder in DIR.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

from verifiers.embedding.layout import read_layout
from verifiers.embedding.onnx_engine import OnnxEngine
from verifiers.embedding.pooling import Ints
from verifiers.embedding.torch_engine import TorchEngine, load_encoder

__all__ = ["export_onnx", "main"]

_LARGEST_DIFFERENCE = 1e-4


class _Hidden(torch.nn.Module):
    """An encoder reduced to its hidden states."""

    def __init__(self, encoder: torch.nn.Module, *, typed: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.typed = typed

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Give the last hidden states."""
        typed = {"token_type_ids": token_type_ids} if self.typed else {}
        hidden: torch.Tensor = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, **typed
        ).last_hidden_state
        return hidden


def export_onnx(directory: Path, out: Path, *, threads: int = 1) -> float:
    """Write the encoder of a checkpoint as one ONNX file; return its largest difference from torch.

    The example has padding in it: exported with a mask of ones alone, the mask is folded away and every padded
    batch is silently wrong. The file is written beside ``out`` and takes its place only when its hidden states
    on other shapes differ from torch's by less than 1e-4. Raises ``ValueError`` else.
    """
    layout = read_layout(directory)
    encoder = load_encoder(layout.transformer, attention="eager")
    typed = getattr(encoder.config, "type_vocab_size", 0) > 1
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        made = Path(folder) / "model.onnx"
        _write(_Hidden(encoder, typed=typed), made, typed=typed)
        difference = _difference(
            TorchEngine(layout.transformer, threads=threads), OnnxEngine(made, threads=threads), layout.most_tokens
        )
        if not difference < _LARGEST_DIFFERENCE:
            raise ValueError(
                f"the ONNX export of {directory} differs from torch by {difference:.2g}; use the torch engine"
            )
        os.replace(made, out)
    return difference


def _write(model: torch.nn.Module, out: Path, *, typed: bool) -> None:
    names = ("input_ids", "attention_mask", *(("token_type_ids",) if typed else ()))
    example = tuple(map(torch.from_numpy, _example(3, 7)[: len(names)]))
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its own deprecations
        torch.onnx.export(
            model,
            example,
            out,
            input_names=list(names),
            output_names=["last_hidden_state"],
            dynamic_shapes=tuple({0: batch, 1: length} for _ in names),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _example(rows: int, length: int) -> tuple[Ints, Ints, Ints]:
    """Make ids, a mask with zeros in every row but one, and types."""
    ids = np.arange(rows * length).reshape(rows, length) % 5 + 1
    mask = (
        np.arange(length)[None, :] < np.linspace(max(2, length // 3), length, rows).astype(int)[:, None]
    ).astype(np.int64)
    return ids.astype(np.int64), mask, np.zeros((rows, length), np.int64)


def _difference(one: TorchEngine, other: OnnxEngine, most_tokens: int) -> float:
    """Compare on shapes that the example did not have, where the mask is 1."""
    largest = 0.0
    for rows, length in ((1, 3), (2, min(33, most_tokens)), (5, most_tokens)):
        ids, mask, types = _example(rows, length)
        apart = np.abs(one.run(ids, mask, types) - other.run(ids, mask, types)) * mask[..., None]
        largest = max(largest, float(apart.max()))
    return largest


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="the checkpoint")
    parser.add_argument("out", type=Path, help="the ONNX file to write, such as DIR/model.onnx")
    options = parser.parse_args()
    try:
        difference = export_onnx(options.directory, options.out)
    except (ValueError, OSError) as error:
        print(f"export: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 2
    print(f"{options.out}: differs from torch by at most {difference:.1g}")  # noqa: T201 - a command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
