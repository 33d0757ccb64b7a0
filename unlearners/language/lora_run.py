"""Dialogues in, a chat model with low-rank updates out, to forget within PCMU's budget. Knows no command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from unlearners import runs
from unlearners.certificate import UnlearningCertificate
from unlearners.data import request_for_ids
from unlearners.language.checkpoint import fingerprint_of, load_language_model, save_language_model
from unlearners.language.head import read_units
from unlearners.language.head_run import same_backbone
from unlearners.language.lora import LoraTask
from unlearners.language.processes import Device, accelerator_on, by_main
from unlearners.pcmu import unlearner as pcmu
from unlearners.pcmu.settings import PcmuSettings
from unlearners.protocol import ForgetRequest, Progress, silent
from unlearners.weights import MODEL

__all__ = ["forget_units_of_lora", "train_lora"]

Clock = Callable[[], datetime]


def train_lora(
    backbone: Path,
    data: Path,
    out: Path,
    *,
    settings: Mapping[str, runs.Value],
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
    accelerator = accelerator_on(device)
    how: dict[str, runs.Value] = {
        "backbone": str(backbone.absolute()),
        "fingerprint": fingerprint_of(backbone),
        "targets": ",".join(targets),
        "rank": rank,
        "clip": clip,
    }
    task = _task(backbone, data, how, accelerator)
    chosen = runs.settings_of(PcmuSettings, settings, delta=1 / task.data.rows)
    recipe = runs.Recipe("pcmu-lora", dict(chosen.parameters()), how)
    kept = partial(_kept, task, chosen, now)
    return by_main(accelerator, partial(runs.train, kept, out, recipe, seed=seed, progress=progress))


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
    recipe = runs.read_recipe(model)
    if recipe.method != "pcmu-lora":
        raise ValueError(f"{model} was made by {recipe.method!r}, not by low-rank updates")
    accelerator = accelerator_on(device)
    task = _task(same_backbone(recipe, backbone), data, recipe.data, accelerator)
    settings = runs.settings_of(PcmuSettings, recipe.settings)
    requests: list[ForgetRequest] = [request_for_ids(task.data, units)]
    kept = partial(_kept, task, settings, now)
    work = partial(runs.forget, kept, model, out, requests, recipe, progress=progress)
    return by_main(accelerator, work)


def _task(backbone: Path, data: Path, how: Mapping[str, runs.Value], accelerator: Accelerator) -> LoraTask:
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


def _kept(task: LoraTask, settings: PcmuSettings, now: Clock, work: Path) -> runs.Kept[pcmu.PcmuModel]:
    one = pcmu.Pcmu(task, settings, directory=work, now=now)
    return runs.Kept(one, pcmu.read_model, pcmu.write_model, partial(_publish, task))


def _publish(
    task: LoraTask, directory: Path, model: pcmu.PcmuModel, certificate: UnlearningCertificate
) -> UnlearningCertificate:
    return save_language_model(task.merged(model.weights), directory / MODEL, certificate)
