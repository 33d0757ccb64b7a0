"""Dialogues in, a chat model out whose head can forget under a certificate. Knows no command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from unlearners import certified
from unlearners.certificate import UnlearningCertificate
from unlearners.certified import METHODS, Clock, Head, Method
from unlearners.language.checkpoint import save_language_model
from unlearners.language.head import Headed, bags_of, load_headed, read_units, with_head
from unlearners.language.processes import Device, accelerator_for, accelerator_on, by_main
from unlearners.language.units import read_how, same_backbone
from unlearners.on_device import place_for
from unlearners.pcmu.bag_task import BagTask
from unlearners.protocol import Progress, silent
from unlearners.recipe import Value, read_recipe
from unlearners.weights import MODEL
from unlearners.yardstick import Weights, of_bags

__all__ = ["MODEL", "forget_units", "train_head"]

DEFAULTS: Mapping[str, Value] = {"convexity": 0.002, "radius": 300.0, "training_epochs": 20}
"""A public head's logits span tens, so that it takes weights far from it to change what it says."""


def train_head(
    method: Method,
    backbone: Path,
    data: Path,
    out: Path,
    *,
    settings: Mapping[str, Value],
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
    how = {**read_how(backbone, data), "device": accelerator.device.type}
    head = _head(backbone, data, progress, accelerator)
    work = partial(certified.train, head, method, settings, how, out, seed=seed, progress=progress, now=now)
    return by_main(accelerator, work)


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
    recipe = read_recipe(model)
    if recipe.method not in METHODS:
        raise ValueError(f"{model} was made by {recipe.method!r}; it is not a head")
    accelerator = accelerator_for(recipe.data, device)
    head = _head(same_backbone(recipe, backbone), data, progress, accelerator)
    work = partial(certified.forget, head, recipe, model, units, out)
    return by_main(accelerator, partial(work, together=together, progress=progress, now=now))


def _head(backbone: Path, data: Path, progress: Progress, accelerator: Accelerator) -> Head:
    headed = load_headed(backbone, accelerator.device)
    bags = bags_of(headed, read_units(data), progress, accelerator=accelerator)
    put = place_for(accelerator.device)
    return Head(
        data,
        "unit",
        bags,
        lambda: BagTask(bags, headed.public, put=put),
        partial(_publish, headed),
        of_bags(bags, headed.public),
        headed.public,
        {**DEFAULTS, "batch": min(8, bags.rows)},
        put,
    )


def _publish(
    headed: Headed, directory: Path, weights: Weights, certificate: UnlearningCertificate
) -> UnlearningCertificate:
    matrix = weights.reshape(headed.public.shape)
    return save_language_model(with_head(headed, matrix), directory / MODEL, certificate)
