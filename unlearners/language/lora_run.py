"""Dialogues in, a chat model with low-rank updates out, to forget within PCMU's budget. Knows no command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from unlearners import runs
from unlearners.certificate import UnlearningCertificate
from unlearners.certified import Clock, Coded, coded_settings
from unlearners.language.checkpoint import load_language_model, save_language_model
from unlearners.language.head import read_units
from unlearners.language.lora import LoraTask
from unlearners.language.processes import Device, accelerator_on, by_main
from unlearners.language.units import read_how, same_backbone
from unlearners.pcmu.settings import PcmuSettings
from unlearners.protocol import Progress, silent
from unlearners.recipe import Recipe, Value, read_recipe, settings_of
from unlearners.weights import MODEL
from unlearners.yardstick import Rows, Weights, Yardstick

__all__ = ["METHOD", "forget_units_of_lora", "train_lora"]

METHOD = "pcmu-lora"
MOST_UNITS = 100
"""Of more units, so many are judged, evenly spaced: each goes through the whole model."""


def train_lora(
    backbone: Path,
    data: Path,
    out: Path,
    *,
    settings: Mapping[str, Value],
    targets: Sequence[str] = ("q_proj", "v_proj"),
    rank: int = 2,
    clip: float = 1.0,
    seed: int | None = None,
    progress: Progress = silent,
    device: Device = "auto",
    now: Clock = lambda: datetime.now(UTC),
) -> UnlearningCertificate:
    """Train low-rank updates of ``backbone`` by PCMU on dialogues by ``unit``; ``out`` as ``train_head``'s.

    ``settings`` are those of ``PcmuSettings``; ``model`` in ``out`` has the updates merged into its weights.
    Raises ``Refused`` for fewer than two units, ``ValueError`` for files or settings that are unusable.
    """
    how = {**read_how(backbone, data), "targets": ",".join(targets), "rank": rank, "clip": clip}
    accelerator = accelerator_on(device)
    coded = _coded(backbone, data, how, accelerator)
    chosen = coded_settings(settings, coded.task.data.rows)
    recipe = Recipe(METHOD, dict(chosen.parameters()), how)
    work = partial(runs.train, coded.subject(chosen, now), out, recipe, seed=seed, progress=progress)
    return by_main(accelerator, work)


def forget_units_of_lora(
    model: Path,
    data: Path,
    units: Sequence[str],
    out: Path,
    *,
    backbone: Path | None = None,
    progress: Progress = silent,
    device: Device = "auto",
    now: Clock = lambda: datetime.now(UTC),
) -> UnlearningCertificate:
    """Forget units from what ``train_lora`` made; arguments and errors as of ``forget_units``."""
    recipe = read_recipe(model)
    if recipe.method != METHOD:
        raise ValueError(f"{model} was made by {recipe.method!r}, not by low-rank updates")
    accelerator = accelerator_on(device)
    coded = _coded(same_backbone(recipe, backbone), data, recipe.data, accelerator)
    subject = coded.subject(settings_of(PcmuSettings, recipe.settings), now)
    work = partial(runs.forget, subject, model, out, units, recipe, progress=progress)
    return by_main(accelerator, work)


def _coded(backbone: Path, data: Path, how: Mapping[str, Value], accelerator: Accelerator) -> Coded:
    task = _task(backbone, data, how, accelerator)
    return Coded(data, "unit", task, partial(_publish, task), _yardstick(task))


def _task(backbone: Path, data: Path, how: Mapping[str, Value], accelerator: Accelerator) -> LoraTask:
    rank, clip, targets = how["rank"], how["clip"], str(how["targets"]).split(",")
    if type(rank) is not int or type(clip) not in (int, float):
        raise ValueError("'rank' is a whole number and 'clip' a number")
    return LoraTask(
        load_language_model(backbone),
        read_units(data),
        targets=targets,
        rank=rank,
        clip=float(str(clip)),
        device=accelerator.device,
    )


def _yardstick(task: LoraTask) -> Yardstick:
    """Judge updates by the mean loss of a token, beside the model without them."""

    def loss(weights: Weights, rows: Rows) -> float:
        each = [task.loss(np.asarray(weights, dtype=np.float64), int(unit)) for unit in rows]
        tokens = [int(task.data.batches[int(unit)].said[:, 1:].sum()) for unit in rows]
        return float(np.average(each, weights=tokens))

    return Yardstick("loss", "unit", loss, untrained=np.zeros(task.size), most=MOST_UNITS)


def _publish(
    task: LoraTask, directory: Path, weights: Weights, certificate: UnlearningCertificate
) -> UnlearningCertificate:
    merged = task.merged(np.asarray(weights, dtype=np.float64))
    return save_language_model(merged, directory / MODEL, certificate)
