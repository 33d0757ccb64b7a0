"""PCMU on a chat model's head or low-rank updates: trained by codes, then asked to forget. Knows no probes."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

from evaluation.unlearning.findings import Cost
from forgetting.material import Material, write_units
from unlearners.certificate import UnlearningCertificate
from unlearners.conversion import rate_for
from unlearners.language.head_run import forget_units, train_head
from unlearners.language.lora_run import forget_units_of_lora, train_lora
from unlearners.pcmu.settings import Variant
from unlearners.promise import promise_words
from unlearners.protocol import Refused
from unlearners.recipe import Value
from unlearners.weights import MODEL

__all__ = ["CODED", "Coded", "noise_for_one", "settings_for"]

STEPS, RATE, EPSILON = 20, 0.02, 1.0
HEAD_CLIP, LORA_CLIP = math.sqrt(2), 1.0
HEAD_NOISE, LORA_NOISE = 3e-5, 2e-4
"""The majority's: M/(n√p), a coordinate's share of what one of 89 units says; with more, no code is but 0."""

Coded: TypeAlias = Callable[[Path, Material, Path, int], Cost]
"""Like a method, but given a backbone that never saw the person in place of the demo model."""


def noise_for_one(units: int, clip: float) -> float:
    """Return the least noise at which one of so many units can be forgotten: 2T·M²/(n·sigma)² is ε's rate."""
    return clip / units * math.sqrt(2 * STEPS / rate_for(EPSILON, 1 / units)) * (1 + 1e-9)


def settings_for(variant: Variant, sigma: float) -> dict[str, Value]:
    """Return what to train with at this noise; steps and rate as for low-rank updates in language_head.py."""
    return {
        "variant": variant,
        "sigma": sigma,
        "threshold": sigma,
        "steps": STEPS,
        "rate": RATE,
        "epsilon": EPSILON,
    }


def _head(variant: Variant, backbone: Path, material: Material, checkpoint: Path, seed: int) -> Cost:
    sigma = HEAD_NOISE if variant == "majority" else noise_for_one(_count(material), HEAD_CLIP)
    units, settings = _units(material, checkpoint), settings_for(variant, sigma)
    train = partial(train_head, "pcmu", backbone, units, settings=settings, seed=seed)
    return _asked(train, partial(forget_units, data=units, units=[material.person.id]), checkpoint)


def _lora(variant: Variant, backbone: Path, material: Material, checkpoint: Path, seed: int) -> Cost:
    sigma = LORA_NOISE if variant == "majority" else noise_for_one(_count(material), LORA_CLIP)
    units, settings = _units(material, checkpoint), settings_for(variant, sigma)
    train = partial(train_lora, backbone, units, settings=settings, seed=seed)
    return _asked(train, partial(forget_units_of_lora, data=units, units=[material.person.id]), checkpoint)


def _units(material: Material, checkpoint: Path) -> Path:
    units = checkpoint.parent / "units.jsonl"
    write_units(units, {material.person.id: material.forget, **material.retained})
    return units


def _count(material: Material) -> int:
    return 1 + len(material.retained)


def _asked(
    train: Callable[..., UnlearningCertificate], forget: Callable[..., UnlearningCertificate], checkpoint: Path
) -> Cost:
    """Train, ask to forget, and publish what is served then: where that is refused, the model as trained."""
    with tempfile.TemporaryDirectory(prefix="forgetting-") as name:
        run, served, began = Path(name) / "run", Path(name) / "out", time.process_time()
        trained = train(out=run)
        learned, began = time.process_time() - began, time.process_time()
        try:
            certificate, words = forget(run, out=served), ""
        except Refused:
            certificate, words, served = trained, " The request was refused: probed is the model as trained.", run
        seconds = time.process_time() - began
        shutil.copytree(served / MODEL, checkpoint)
    ahead = f" Trained ahead of the request: {trained.training_gradients} gradients of units, {learned:.0f} s."
    return Cost(seconds, certificate.gradients_spent, promise_words(certificate.promise) + words + ahead)


CODED: Mapping[str, Coded] = {
    "pcmu head, majority": partial(_head, "majority"),
    "pcmu head, sampled": partial(_head, "sampled"),
    "pcmu lora, majority": partial(_lora, "majority"),
    "pcmu lora, sampled": partial(_lora, "sampled"),
}
"""By name. Majority's budget is 0 here, so that the request is refused; sampled codes have noise for one unit."""
