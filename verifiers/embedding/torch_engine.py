"""torch as the engine of embeddings, where there is no ONNX file and no wish for one. Knows no text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoModel
from transformers.utils.logging import (
    disable_progress_bar,
    get_verbosity,
    set_verbosity,
    set_verbosity_error,
)

from verifiers.embedding.layout import digest_of
from verifiers.embedding.pooling import Floats, Ints

__all__ = ["TorchEngine", "load_encoder", "quietly"]


class TorchEngine:
    """A checkpoint in float32 on the CPU. ``threads`` holds for all of torch in this process.

    Raises ``ValueError`` for a directory that it cannot load.
    """

    def __init__(self, directory: Path, *, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self._model = load_encoder(directory)
        self._typed = getattr(self._model.config, "type_vocab_size", 0) > 1
        self.fingerprint = f"torch-{digest_of(_weights(directory))[:32]}"

    def run(self, ids: Ints, mask: Ints, types: Ints) -> Floats:
        """See `Engine`."""
        given = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if self._typed:
            given["token_type_ids"] = torch.from_numpy(types)
        with torch.inference_mode():
            hidden: Floats = self._model(**given).last_hidden_state.float().numpy()
        return hidden


def load_encoder(directory: Path, attention: str = "sdpa") -> torch.nn.Module:
    """Load a transformer without a head, in float32, for use only.

    Raises ``ValueError``, also where the checkpoint lacks weights: they would be made up.
    """
    try:
        with quietly():
            model, loading = AutoModel.from_pretrained(
                directory,
                local_files_only=True,
                dtype=torch.float32,
                attn_implementation=attention,
                output_loading_info=True,
            )
    except Exception as error:  # whatever the libraries behind it raise, the directory is at fault
        raise ValueError(f"the embedding model at {directory} cannot be loaded: {error}") from error
    missing = [key for key in loading["missing_keys"] if not key.startswith("pooler.")]  # which nobody asks
    if missing:
        raise ValueError(f"the embedding model at {directory} lacks weights, such as {sorted(missing)[0]}")
    encoder: torch.nn.Module = model.eval()
    return encoder


@contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers' loading bars and reports out of the gateway's own output."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    level = get_verbosity()
    set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        set_verbosity(level)


def _weights(directory: Path) -> tuple[Path, ...]:
    patterns = ("config.json", "*.safetensors", "pytorch_model*.bin")
    return tuple(sorted(file for pattern in patterns for file in directory.glob(pattern)))
