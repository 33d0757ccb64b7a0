"""A language model on disk: an ordinary Hugging Face checkpoint with its certificate. Knows no method."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from unlearners.certificate import UnlearningCertificate
from unlearners.checkpoint import new_directory
from unlearners.measured import FILE as MEASURED
from unlearners.measured import Measured
from unlearners.weights import check_weights, with_weights

__all__ = [
    "CERTIFICATE_FILE",
    "LanguageModel",
    "fingerprint_of",
    "load_language_model",
    "read_certificate",
    "save_language_model",
]

CERTIFICATE_FILE = "unlearning.json"

BESIDE_WEIGHTS = (
    *("config.json", "generation_config.json", "chat_template.json", "*.jinja", "*.model"),
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt"),
)
"""The files that are copied as they are: all that unlearning does not touch."""
WEIGHTS = ("*.safetensors", "*.bin")
ANSWERING = frozenset({".safetensors", ".bin", ".pt", ".model", ".jinja", ".json", ".txt", ".py"})
"""What the files end in that answers can depend on, wherever in the directory they are."""
ABOUT = frozenset({CERTIFICATE_FILE, MEASURED})
"""What is said about a checkpoint, and is no part of it."""


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A causal language model in eval mode, its tokenizer, and the checkpoint that they came from.

    ``stored`` is the type that the checkpoint keeps its numbers in; in memory they are 32 bits wide.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    source: Path
    stored: torch.dtype

    @property
    def context(self) -> int:
        """How many tokens a prompt and its answer may have together."""
        return int(self.model.config.max_position_embeddings)


def load_language_model(directory: Path, device: torch.device | str = "cpu") -> LanguageModel:
    """Load a checkpoint with a chat template. Raises ``ValueError`` for a directory that holds none."""
    if not (directory / "config.json").is_file():
        raise ValueError(f"there is no model at {directory}: a checkpoint directory has a config.json")
    disable_progress_bar()  # type: ignore[no-untyped-call]  # bars of loading would run through the caller's own
    try:
        tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(directory, local_files_only=True, dtype="auto")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"the checkpoint at {directory} cannot be loaded: {error}") from None
    if tokenizer.chat_template is None:
        raise ValueError(f"the tokenizer at {directory} has no chat template; give it one, or take a chat model")
    stored = next(model.parameters()).dtype
    whole = model.to(device=device, dtype=torch.float32).eval()  # type: ignore[call-arg]  # its wrapper hides self
    return LanguageModel(whole, tokenizer, directory, stored)


def save_language_model(
    language: LanguageModel,
    directory: Path,
    certificate: UnlearningCertificate,
    *,
    work: Path | None = None,
    measured: Measured | None = None,
) -> UnlearningCertificate:
    """Write the whole checkpoint with ``unlearning.json``; it appears under its name only when it is whole.

    Returns the certificate as written, bound to these weights; ``work`` is as ``new_directory`` takes it, and
    ``measured`` is kept beside it.

    Everything beside the weights is copied from ``source`` as it is, so that a server which loads the one loads
    the other. Raises ``ValueError`` where the directory exists.
    """
    with new_directory(directory, work) as staging:
        _as_stored(language).save_pretrained(staging)
        for pattern in BESIDE_WEIGHTS:
            for file in sorted(language.source.glob(pattern)):
                shutil.copyfile(file, staging / file.name)
        _untie(staging / "config.json", language.model)
        bound = with_weights(certificate, staging)
        (staging / CERTIFICATE_FILE).write_text(bound.to_json(), encoding="utf-8")
        if measured is not None:
            (staging / MEASURED).write_text(measured.to_json(), encoding="utf-8")
        staging.chmod(0o755)  # a server may run as another user
        for file in staging.iterdir():
            file.chmod(0o644)
    return bound


def _untie(config: Path, model: PreTrainedModel) -> None:
    """Say in the copied configuration that the head is its own, where the copy's source had it tied.

    A server that believes the file would otherwise put the embeddings in its place.
    """
    said = json.loads(config.read_text(encoding="utf-8"))
    if said.get("tie_word_embeddings", True) and not getattr(model.config, "tie_word_embeddings", True):
        untied = {**said, "tie_word_embeddings": False}
        config.write_text(json.dumps(untied, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _as_stored(language: LanguageModel) -> PreTrainedModel:
    """Return the model as wide as it was on disk; weights that are tied stay so."""
    if language.stored == language.model.dtype:
        return language.model
    narrow: PreTrainedModel = copy.deepcopy(language.model).to(dtype=language.stored)  # type: ignore[call-arg]  # its wrapper hides self
    return narrow


def read_certificate(directory: Path) -> UnlearningCertificate:
    """Read a model's certificate. Raises ``ValueError`` where there is none, or it is about other weights."""
    try:
        text = (directory / CERTIFICATE_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the certificate in {directory}: {error}") from None
    certificate = UnlearningCertificate.from_json(text)
    if problems := check_weights(certificate, directory):
        raise ValueError(problems[0])
    return certificate


def fingerprint_of(directory: Path) -> str:
    """Return a digest of the weights, the tokenizer and their configuration."""
    digest = hashlib.sha256()
    for file in sorted(directory.rglob("*")):
        if file.suffix not in ANSWERING or file.name in ABOUT or not file.is_file():
            continue
        digest.update(file.relative_to(directory).as_posix().encode() + b"\0")
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]
