"""A natural language inference checkpoint in this process, on torch. Knows no topics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from verifiers.embedding.layout import digest_of
from verifiers.embedding.torch_engine import quietly
from verifiers.entailment import TooLongToRead

__all__ = ["CrossEncoder"]

_REVISION: Final = "1"
_FILES: Final = ("*.json", "*.safetensors", "pytorch_model*.bin", "*.model", "vocab.txt", "merges.txt")
_ENTAILMENT: Final = re.compile(r"entail(?:ment|s|ed)?", re.IGNORECASE)
_ORDINARY_LENGTH: Final = 512
_POSITIONS_BEFORE_THE_FIRST: Final = 2  # RoBERTa and its kin number positions from 2 on


class CrossEncoder:
    """A sequence classifier that was trained for inference, in float32 on the CPU.

    Which class means entailment is read from the checkpoint's own labels. Raises ``ValueError`` for a directory
    that cannot be loaded and for labels among which there is not exactly one for entailment. ``threads`` holds
    for all of torch in this process.
    """

    def __init__(self, directory: Path, *, threads: int = 1, batch: int = 16) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        torch.set_num_threads(threads)
        self._tokenizer, self._model = _load(directory)
        self._label = _entailment_label(self._model.config.id2label, directory)
        # A generic tokenizer leaves these out unless asked, and then both texts look like the premise.
        self._typed = getattr(self._model.config, "type_vocab_size", 0) > 1
        self._batch = batch
        self._most_tokens = _most_tokens(self._tokenizer, self._model.config)
        files = tuple(sorted(file for pattern in _FILES for file in directory.glob(pattern)))
        self.fingerprint = f"nli-{_REVISION}-{digest_of(files)[:32]}"

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """See `Entailing`. Pairs of like length go through the model together."""
        encoded = [
            self._tokenizer(*pair, truncation=False, return_token_type_ids=self._typed or None) for pair in pairs
        ]
        longest = max((len(each["input_ids"]) for each in encoded), default=0)
        if longest > self._most_tokens:
            raise TooLongToRead(f"{longest} tokens to read at once, of which {self._most_tokens} are possible")
        order = sorted(range(len(pairs)), key=lambda at: len(encoded[at]["input_ids"]))
        found = [0.0] * len(pairs)
        for start in range(0, len(order), self._batch):
            some = order[start : start + self._batch]
            for at, probability in zip(some, self._run([encoded[at] for at in some]), strict=True):
                found[at] = probability
        return found

    def _run(self, encoded: Sequence[Any]) -> list[float]:
        padded = self._tokenizer.pad(list(encoded), return_tensors="pt")
        with torch.inference_mode():
            logits = self._model(**padded).logits.double()
        probabilities: list[float] = torch.softmax(logits, dim=-1)[:, self._label].tolist()
        return probabilities


def _load(directory: Path) -> tuple[Any, Any]:
    if not (directory / "config.json").is_file():
        raise ValueError(f"there is no entailment model at {directory}: a checkpoint directory has a config.json")
    try:
        with quietly():
            tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
            model, loading = AutoModelForSequenceClassification.from_pretrained(
                directory, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # whatever the libraries behind it raise, the directory is at fault
        raise ValueError(f"the entailment model at {directory} cannot be loaded: {error}") from error
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])[0]
        raise ValueError(f"{directory} holds no trained sequence classifier: it lacks weights, such as {missing}")
    return tokenizer, model.eval()


def _entailment_label(labels: dict[int, str], directory: Path) -> int:
    found = [number for number, label in labels.items() if _ENTAILMENT.fullmatch(str(label).strip())]
    if len(found) != 1 or len(labels) < 2:
        named = ", ".join(str(label) for label in labels.values())
        raise ValueError(
            f"the model at {directory} has the labels {named}; one of several must be 'entailment' (set "
            "id2label in its config.json if it was trained for that)"
        )
    return int(found[0])


def _most_tokens(tokenizer: Any, config: Any) -> int:
    positions = int(getattr(config, "max_position_embeddings", _ORDINARY_LENGTH)) or _ORDINARY_LENGTH
    return int(min(tokenizer.model_max_length, _ORDINARY_LENGTH, max(positions - _POSITIONS_BEFORE_THE_FIRST, 1)))
