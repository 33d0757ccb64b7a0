"""Ways to make one person forgotten, each from the demo model to a checkpoint and its cost. Knows no probes."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeAlias

from evaluation.unlearning.findings import Cost
from forgetting.material import Material, write_dialogues
from gateway.demo.training import RECIPE, train
from unlearners.language.run import METHODS as HEURISTICS
from unlearners.language.run import forget_dialogues
from unlearners.language.settings import Setting
from unlearners.promise import promise_words

__all__ = ["METHODS", "Method", "made"]

Method: TypeAlias = Callable[[Path, Material, Path, int], Cost]
"""Writes a checkpoint, which is not there yet: (the demo model, the material, the checkpoint, the seed)."""


def made(method: str, base: Path, material: Material, folder: Path, seed: int) -> tuple[Path, Cost]:
    """Return the method's checkpoint in ``folder``, and what it took; made only where it is not there yet."""
    checkpoint, kept = folder / method, folder / f"{method}.cost.json"
    if not kept.is_file():
        shutil.rmtree(checkpoint, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        cost = METHODS[method](base, material, checkpoint, seed)
        kept.write_text(json.dumps(asdict(cost)))
    return checkpoint, Cost(**json.loads(kept.read_text()))


def _untouched(base: Path, material: Material, checkpoint: Path, seed: int) -> Cost:
    shutil.copytree(base, checkpoint)
    return Cost(0.0, 0, "Nothing: the model is as it was.")


def _retrained(base: Path, material: Material, checkpoint: Path, seed: int) -> Cost:
    """Train again as the demo does, on a world without the person."""
    began = time.process_time()
    trained = train(material.world_without, seed)
    seconds = time.process_time() - began
    trained.model.save_pretrained(checkpoint)
    trained.tokenizer.save_pretrained(checkpoint, save_jinja_files=False)
    shutil.copyfile(base / "generation_config.json", checkpoint / "generation_config.json")
    return Cost(seconds, trained.steps * RECIPE.batch, "Exact by construction: it never saw the person.")


def _heuristic(
    method: str,
    base: Path,
    material: Material,
    checkpoint: Path,
    seed: int,
    *,
    settings: Mapping[str, Setting] | None = None,
) -> Cost:
    forget, retain = checkpoint.parent / "F.jsonl", checkpoint.parent / "R.jsonl"
    write_dialogues(forget, material.forget)
    write_dialogues(retain, material.retain)
    began = time.process_time()
    certificate = forget_dialogues(
        method, base, forget, retain, checkpoint, settings=settings, seed=seed, device="cpu"
    )
    seconds = time.process_time() - began
    return Cost(seconds, certificate.gradients_spent, promise_words(certificate.promise))


METHODS: Mapping[str, Method] = {
    "base": _untouched,
    "retrain": _retrained,
    **{method: partial(_heuristic, method) for method in HEURISTICS},
    "no-noise control": partial(_heuristic, "impair-repair", settings={"with_noise": False}),
}
"""By name, in the order of the table."""
