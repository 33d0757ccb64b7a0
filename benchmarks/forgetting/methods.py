"""Ways to make one person forgotten, each from the demo model to a checkpoint and its cost. Knows no probes."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeAlias

from evaluation.unlearning.findings import Cost
from forgetting.coded import CODED, Coded
from forgetting.material import Material, write_dialogues, write_units
from gateway.demo.training import RECIPE, train
from unlearners.language.head_run import MODEL, forget_units, train_head
from unlearners.language.run import METHODS as HEURISTICS
from unlearners.language.run import forget_dialogues
from unlearners.language.settings import Setting
from unlearners.promise import promise_words

__all__ = ["METHODS", "Method", "made"]

HEAD, HEAD_RUN, HEAD_UNITS = "langevin head (trained)", "langevin head run", "units.jsonl"

DEMO: Mapping[str, Setting] = {"rate": 1e-3, "epochs": 5}
DEMO_NOISE: Mapping[str, Setting] = {**DEMO, "repair_rate": 2e-4}
"""Chosen on the demo model (docs/unlearners/language.md), whatever `lethe unlearn` would take for its size."""

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
    settings: Mapping[str, Setting] = DEMO,
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


def _head_with_the_person(base: Path, material: Material, checkpoint: Path, seed: int) -> Cost:
    """Train a certified head on everybody's dialogues, over a backbone that never saw the person."""
    backbone, _ = made("retrain", base, material, checkpoint.parent, seed)
    units, run = checkpoint.parent / HEAD_UNITS, checkpoint.parent / HEAD_RUN
    write_units(units, {material.person.id: material.forget, **material.retained})
    shutil.rmtree(run, ignore_errors=True)
    began = time.process_time()
    certificate = train_head("langevin", backbone, units, run, settings={}, seed=seed)
    seconds = time.process_time() - began
    shutil.copytree(run / MODEL, checkpoint)
    return Cost(seconds, certificate.training_gradients, promise_words(certificate.promise))


def _head_without(base: Path, material: Material, checkpoint: Path, seed: int) -> Cost:
    """Forget the person from that head. A gradient is a unit's: all dialogues of a person or town."""
    made(HEAD, base, material, checkpoint.parent, seed)
    units, run = checkpoint.parent / HEAD_UNITS, checkpoint.parent / HEAD_RUN
    with tempfile.TemporaryDirectory(prefix="forgetting-") as name:
        began = time.process_time()
        certificate = forget_units(run, units, [material.person.id], Path(name) / "out")
        seconds = time.process_time() - began
        shutil.copytree(Path(name) / "out" / MODEL, checkpoint)
    return Cost(seconds, certificate.gradients_spent, promise_words(certificate.promise))


def _coded(coded: Coded, base: Path, material: Material, checkpoint: Path, seed: int) -> Cost:
    """Train by codes on everybody's dialogues, over a backbone that never saw the person; then ask to forget."""
    backbone, _ = made("retrain", base, material, checkpoint.parent, seed)
    return coded(backbone, material, checkpoint, seed)


METHODS: Mapping[str, Method] = {
    "base": _untouched,
    "retrain": _retrained,
    **{
        method: partial(_heuristic, method, settings=DEMO_NOISE if method == "impair-repair" else DEMO)
        for method in HEURISTICS
    },
    "no-noise control": partial(_heuristic, "impair-repair", settings={**DEMO_NOISE, "with_noise": False}),
    HEAD: _head_with_the_person,
    "langevin head (forgotten)": _head_without,
    **{method: partial(_coded, coded) for method, coded in CODED.items()},
}
"""By name, in the order of the table."""
