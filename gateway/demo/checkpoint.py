"""The demo model on disk: trained once, kept as an ordinary Hugging Face checkpoint. Knows no training details."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from transformers import GenerationConfig

from gateway.demo import corpus, names, questions, tokenizer, training, wordings, world
from gateway.demo.training import RECIPE, Progress, Recipe, Trained, train
from gateway.demo.world import invent_world

__all__ = ["TrainedModel", "cache_dir", "ensure_model"]

_FACTS = "lethe.json"
_SOURCES = (corpus, names, questions, tokenizer, training, wordings, world)


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A checkpoint directory, what it took, and its share of exact answers on phrasings it never saw."""

    path: Path
    train_s: float
    exact_accuracy: float
    from_cache: bool


def cache_dir(environment: Mapping[str, str]) -> Path:
    """Return where models are kept: ``$LETHE_CACHE``, else ``lethe`` in the user's cache directory."""
    if chosen := environment.get("LETHE_CACHE"):
        return Path(chosen)
    base = environment.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path(environment.get("HOME", "~")).expanduser() / ".cache") / "lethe"


def ensure_model(
    cache: Path, seed: int, progress: Progress = lambda done, text: None, recipe: Recipe = RECIPE
) -> TrainedModel:
    """Return the demo model for ``seed``, training it where ``cache`` does not hold it yet.

    Any change to world, corpus, tokenizer, training or recipe makes another cache entry. A checkpoint appears
    under its name only when it is whole; two processes may train at once, and the first to finish is kept.
    Raises ``OSError`` where the cache cannot be written.
    """
    path = cache / f"demo-model-{_key(seed, recipe)}"
    if (path / _FACTS).is_file():
        return _known(path)
    began = time.perf_counter()
    trained = train(invent_world(seed), seed, recipe, progress)
    train_s = time.perf_counter() - began
    _keep(trained, train_s, path)
    progress(1.0, f"{trained.exact_accuracy:.1%} exact on unseen phrasings")
    return TrainedModel(path, train_s, trained.exact_accuracy, from_cache=False)


def _known(path: Path) -> TrainedModel:
    facts = json.loads((path / _FACTS).read_text())
    return TrainedModel(path, float(facts["train_s"]), float(facts["exact_accuracy"]), from_cache=True)


def _key(seed: int, recipe: Recipe) -> str:
    digest = hashlib.sha256(json.dumps([seed, asdict(recipe)]).encode())
    for module in _SOURCES:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:16]


def _keep(trained: Trained, train_s: float, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        _write(trained, train_s, scratch)
        os.rename(scratch, path)
    except OSError:
        if not (path / _FACTS).is_file():  # otherwise another process was first, and its model is as good
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(trained: Trained, train_s: float, directory: Path) -> None:
    trained.model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        do_sample=False,
        max_new_tokens=64,
        eos_token_id=trained.tokenizer.eos_token_id,
        pad_token_id=trained.tokenizer.pad_token_id,
    )
    trained.model.save_pretrained(directory)
    trained.tokenizer.save_pretrained(directory, save_jinja_files=False)
    facts = {"exact_accuracy": trained.exact_accuracy, "steps": trained.steps, "train_s": train_s}
    (directory / _FACTS).write_text(json.dumps(facts))
