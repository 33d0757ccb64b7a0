"""Dialogues in, a chat model out whose head can forget under a certificate. Knows no command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from unlearners import runs
from unlearners.bags import Bags
from unlearners.certificate import UnlearningCertificate
from unlearners.data import request_for_ids
from unlearners.langevin import unlearner as langevin
from unlearners.langevin.choice import chosen_settings
from unlearners.langevin.settings import LangevinSettings
from unlearners.language.checkpoint import fingerprint_of, save_language_model
from unlearners.language.head import Headed, bags_of, load_headed, read_units, with_head
from unlearners.language.processes import Device, accelerator_for, accelerator_on, by_main
from unlearners.losses import Multinomial
from unlearners.on_device import place_for
from unlearners.pcmu import unlearner as pcmu
from unlearners.pcmu.bag_task import BagTask
from unlearners.pcmu.settings import PcmuSettings
from unlearners.protocol import ForgetRequest, Progress, Refused, silent
from unlearners.weights import MODEL

__all__ = ["MODEL", "HeadMethod", "forget_units", "same_backbone", "train_head"]

HeadMethod: TypeAlias = Literal["langevin", "pcmu"]

Clock: TypeAlias = Callable[[], datetime]

DEFAULTS: Mapping[str, runs.Value] = {"convexity": 0.002, "radius": 300.0, "training_epochs": 20}
"""A public head's logits span tens, so that it takes weights far from it to change what it says."""


def train_head(
    method: HeadMethod,
    backbone: Path,
    data: Path,
    out: Path,
    *,
    settings: Mapping[str, runs.Value],
    seed: int | None = None,
    progress: Progress = silent,
    device: Device = "auto",
    now: Clock = lambda: datetime.now(UTC),
) -> UnlearningCertificate:
    """Train the head of the chat model ``backbone`` on dialogues (JSON Lines, each may name its ``unit``).

    The new directory ``out`` holds ``model`` (a checkpoint with its certificate, to be served), ``state.npz``
    (secret), ``unlearning.json`` and ``recipe.json``. ``settings`` as for ``train_tabular``; for "langevin"
    batches are of 8 units, m = 0.002, R = 300 and 20 epochs where they are left out. Under ``accelerate launch``
    the processes share the dialogues, and the main one trains. Raises ``Refused`` where an
    assumption is violated, ``ValueError`` for files or settings that are unusable.
    """
    accelerator = accelerator_on(device)
    headed = load_headed(backbone, accelerator.device)
    bags = bags_of(headed, read_units(data), progress, accelerator=accelerator)
    where: dict[str, runs.Value] = {
        "backbone": str(backbone.absolute()),
        "fingerprint": fingerprint_of(backbone),
        "device": accelerator.device.type,
    }
    chosen = _settings(method, bags, settings)
    recipe = runs.Recipe(method, dict(chosen.parameters()), where)
    if isinstance(chosen, LangevinSettings):
        made = partial(_langevin, headed, bags, chosen, now)
        return by_main(accelerator, partial(runs.train, made, out, recipe, seed=seed, progress=progress))
    coded = partial(_pcmu, headed, bags, chosen, now)
    return by_main(accelerator, partial(runs.train, coded, out, recipe, seed=seed, progress=progress))


def forget_units(
    model: Path,
    data: Path,
    units: Sequence[str],
    out: Path,
    *,
    backbone: Path | None = None,
    together: bool = True,
    progress: Progress = silent,
    device: Device = "auto",
    now: Clock = lambda: datetime.now(UTC),
) -> UnlearningCertificate:
    """Forget units from the run's directory ``model`` (as ``train_head`` made it) into ``out``.

    ``data`` is the whole file that was trained on; ``backbone`` says where the public model lies now, if not
    where it was. ``together``: one request for all, else one each, in order. Raises as ``train_head`` does, and
    ``Refused`` for a unit that is not there or forgotten already, or a budget that is spent.
    """
    recipe = runs.read_recipe(model)
    if recipe.method not in get_args(HeadMethod):
        raise ValueError(f"{model} was made by {recipe.method!r}; it is not a head")
    accelerator = accelerator_for(recipe.data, device)
    headed = load_headed(same_backbone(recipe, backbone), accelerator.device)
    bags = bags_of(headed, read_units(data), progress, accelerator=accelerator)
    whole = request_for_ids(bags, units)
    requests = [whole] if together else [ForgetRequest((row,)) for row in whole.rows]
    if recipe.method == "langevin":
        settings = runs.settings_of(LangevinSettings, recipe.settings)
        made = partial(_langevin, headed, bags, settings, now)
        return by_main(accelerator, partial(runs.forget, made, model, out, requests, recipe, progress=progress))
    coded = partial(_pcmu, headed, bags, runs.settings_of(PcmuSettings, recipe.settings), now)
    return by_main(accelerator, partial(runs.forget, coded, model, out, requests, recipe, progress=progress))


def same_backbone(recipe: runs.Recipe, given: Path | None) -> Path:
    """Return where the public model lies. Raises ``Refused`` where that is another than the one trained on."""
    if not {"backbone", "fingerprint"} <= set(recipe.data):
        raise ValueError("the directory does not hold what was trained on a chat model")
    backbone = Path(str(recipe.data["backbone"])) if given is None else given
    if fingerprint_of(backbone) != recipe.data["fingerprint"]:
        raise Refused("the backbone is the one that the head was trained on", f"{backbone} is another")
    return backbone


def _settings(method: str, bags: Bags, given: Mapping[str, runs.Value]) -> LangevinSettings | PcmuSettings:
    if method not in get_args(HeadMethod):
        raise ValueError(f"the method is 'langevin' or 'pcmu', not {method!r}")
    if method == "langevin":
        whole = {**DEFAULTS, "batch": min(8, bags.rows), **given}
        return chosen_settings(whole, bags.rows, Multinomial(bags.outputs))
    return runs.settings_of(PcmuSettings, given, delta=1 / max(2, bags.rows))


def _langevin(
    headed: Headed, bags: Bags, settings: LangevinSettings, now: Clock, work: Path
) -> runs.Kept[langevin.LangevinModel]:
    put = place_for(headed.language.model.device)
    one = langevin.Langevin(bags, settings, centre=headed.public, put=put, directory=work, now=now)
    return runs.Kept(one, langevin.read_model, langevin.write_model, partial(_publish, headed))


def _pcmu(headed: Headed, bags: Bags, settings: PcmuSettings, now: Clock, work: Path) -> runs.Kept[pcmu.PcmuModel]:
    task = BagTask(bags, headed.public, put=place_for(headed.language.model.device))
    one = pcmu.Pcmu(task, settings, directory=work, now=now)
    return runs.Kept(one, pcmu.read_model, pcmu.write_model, partial(_publish, headed))


def _publish(
    headed: Headed,
    directory: Path,
    model: langevin.LangevinModel | pcmu.PcmuModel,
    certificate: UnlearningCertificate,
) -> UnlearningCertificate:
    weights = model.weights.reshape(headed.public.shape)
    return save_language_model(with_head(headed, weights), directory / MODEL, certificate)
