"""How a sentence-embedding checkpoint wants to be read: its tokenizer, length, pooling. Knows no engine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.normalizers import Lowercase, Normalizer
from tokenizers.normalizers import Sequence as NormalizerSequence

from verifiers.embedding.pooling import POOLINGS

__all__ = ["Layout", "digest_of", "read_layout"]

_ORDINARY_LENGTH = 512
_POSITIONS_BEFORE_THE_FIRST = 2  # RoBERTa and its kin number positions from 2 on
_SMALLEST = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """One checkpoint: where its transformer is, and how texts become vectors.

    ``most_tokens`` is the longest input with its special tokens; ``prompt`` stands before every text.
    """

    directory: Path
    transformer: Path
    pooling: tuple[str, ...]
    most_tokens: int
    lower_case: bool
    prompt: str

    def tokenizer(self) -> Tokenizer:
        """Load the tokenizer; it cuts long texts into windows that overlap by an eighth. Raises ``ValueError``."""
        file = self.transformer / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing more particular
            raise ValueError(f"the tokenizer {file} cannot be loaded: {error}") from error
        if self.lower_case:
            known = [tokenizer.normalizer] if isinstance(tokenizer.normalizer, Normalizer) else []
            tokenizer.normalizer = NormalizerSequence([Lowercase(), *known])
        tokenizer.enable_truncation(self.most_tokens, stride=self.most_tokens // 8)
        tokenizer.no_padding()
        return tokenizer


def read_layout(directory: Path) -> Layout:
    """Read a sentence-transformers directory, or a plain transformer, whose tokens are then averaged.

    Raises ``ValueError``, saying what to do, for what is missing or of a kind that is not known here: a layer
    that is left out would give other vectors than the model's.
    """
    modules = _modules(directory)
    transformer = modules.get("Transformer", directory)
    config = _json(transformer / "config.json", dict, needed=True)
    if not (transformer / "tokenizer.json").is_file():
        raise ValueError(
            f"{transformer} has no tokenizer.json; write one with "
            "AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
        )
    sentence = _json(transformer / "sentence_bert_config.json", dict)
    return Layout(
        directory=directory,
        transformer=transformer,
        pooling=_pooling(modules["Pooling"]) if "Pooling" in modules else ("mean",),
        most_tokens=_most_tokens(sentence, _json(transformer / "tokenizer_config.json", dict), config),
        lower_case=sentence.get("do_lower_case") is True,
        prompt=_prompt(_json(directory / "config_sentence_transformers.json", dict)),
    )


def digest_of(files: tuple[Path, ...]) -> str:
    """Hash the names and contents of files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _modules(directory: Path) -> dict[str, Path]:
    """Return where each layer's files are; a plain transformer lists none."""
    if not directory.is_dir():
        raise ValueError(f"there is no embedding model at {directory}: give the directory of a checkpoint")
    found: dict[str, Path] = {}
    for module in _json(directory / "modules.json", list):
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind not in ("Transformer", "Pooling", "Normalize") or kind in found:
            raise ValueError(
                f"the embedding model at {directory} has the layer {kind!r}; only one transformer, one pooling "
                "and one normalisation are known"
            )
        found[kind] = directory / str(module.get("path", ""))
    if found and "Transformer" not in found:
        raise ValueError(f"the embedding model at {directory} lists no transformer in modules.json")
    return found


def _pooling(directory: Path) -> tuple[str, ...]:
    config = _json(directory / "config.json", dict, needed=True)
    named = config.get("pooling_mode")
    if named is None:
        prefix = "pooling_mode_"
        chosen = [key.removeprefix(prefix) for key, on in config.items() if key.startswith(prefix) and on]
        modes = tuple(mode.removesuffix("_tokens") if mode in _TOKEN_MODES else mode for mode in chosen)
        modes = tuple("cls" if mode == "cls_token" else mode for mode in modes)
    else:
        modes = (named,) if isinstance(named, str) else tuple(named)
    unknown = [mode for mode in modes if mode not in POOLINGS]
    if unknown or not modes:
        raise ValueError(f"{directory}: pooling {unknown or 'none'} is not known; known are {', '.join(POOLINGS)}")
    return modes


_TOKEN_MODES = ("mean_tokens", "max_tokens")


def _most_tokens(sentence: dict[str, Any], tokenizer: dict[str, Any], config: dict[str, Any]) -> int:
    stated = sentence.get("max_seq_length")
    positions = int(config.get("max_position_embeddings") or _ORDINARY_LENGTH)
    if isinstance(stated, int):
        return max(_SMALLEST, min(stated, positions))
    model = tokenizer.get("model_max_length")  # absent, or astronomically large where nobody set it
    longest = min(int(model), _ORDINARY_LENGTH) if isinstance(model, int | float) else _ORDINARY_LENGTH
    return max(_SMALLEST, min(longest, positions - _POSITIONS_BEFORE_THE_FIRST))


def _prompt(config: dict[str, Any]) -> str:
    name, prompts = config.get("default_prompt_name"), config.get("prompts") or {}
    if name is None:
        return ""
    if name not in prompts:
        raise ValueError(f"the embedding model's default prompt {name!r} is not among its prompts")
    return str(prompts[name])


def _json(file: Path, kind: type[dict[str, Any]] | type[list[Any]], *, needed: bool = False) -> Any:
    """Read a JSON object or list; where the file is absent and not needed, an empty one."""
    if not file.is_file():
        if needed:
            raise ValueError(f"{file} is missing; an embedding model's directory has it")
        return kind()
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(value, kind) or (kind is list and not all(isinstance(each, dict) for each in value)):
        raise ValueError(f"{file} has another shape than a checkpoint's")
    return value
