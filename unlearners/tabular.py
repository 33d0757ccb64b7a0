"""Files in, a certified linear head out: rows of numbers, or texts on a frozen backbone. Knows no command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from accelerate import Accelerator

from unlearners import runs
from unlearners.arrays import Put
from unlearners.certificate import UnlearningCertificate
from unlearners.data import Dataset, read_csv, read_npz, request_for_ids
from unlearners.langevin import unlearner as langevin
from unlearners.langevin.choice import chosen_settings
from unlearners.langevin.settings import LangevinSettings
from unlearners.language.frozen_features import features_of_texts, read_labelled_texts, read_texts
from unlearners.language.processes import Device, accelerator_for, accelerator_on, by_main
from unlearners.losses import loss_for
from unlearners.on_device import place_for
from unlearners.pcmu import unlearner as pcmu
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.tasks import LinearTask
from unlearners.protocol import ForgetRequest, Progress, silent
from unlearners.weights import TABLE, with_weights

__all__ = ["Method", "forget_rows", "read_rows", "train_tabular"]

Method: TypeAlias = Literal["langevin", "pcmu"]

Clock: TypeAlias = Callable[[], datetime]


def train_tabular(
    method: Method,
    data: Path,
    out: Path,
    *,
    label: str = "label",
    id_column: str | None = None,
    normalise: bool = False,
    backbone: Path | None = None,
    public: Path | None = None,
    settings: Mapping[str, runs.Value],
    seed: int | None = None,
    progress: Progress = silent,
    device: Device = "auto",
    now: Clock = lambda: datetime.now(UTC),
) -> UnlearningCertificate:
    """Train a head on a file of rows, into the new directory ``out``.

    ``data`` is .csv (``label`` and ``id_column`` name columns), .npz, or .jsonl with ``text``, ``label`` and
    perhaps ``id`` a line, which needs the Hugging Face checkpoint ``backbone`` and is always normalised;
    ``public`` names texts of the same kind that never have to be forgotten, by which features are whitened.
    ``settings`` are those of ``LangevinSettings`` (see ``chosen_settings`` for what may be left out) or
    ``PcmuSettings``. ``out`` then holds ``state.npz`` (secret), ``weights.npz``, ``unlearning.json`` and
    ``recipe.json``. Raises ``Refused`` where the data violate an assumption, ``ValueError`` for files or settings
    that are unusable. Under ``accelerate launch`` the processes share the texts, and the main one trains.
    """
    accelerator = accelerator_on(device)
    how: dict[str, runs.Value] = {
        "label": label,
        "id_column": id_column,
        "normalise": normalise,
        "backbone": None if backbone is None else str(backbone.absolute()),
        "public": None if public is None else str(public.absolute()),
        "device": accelerator.device.type,
    }
    rows, put = read_rows(data, how, accelerator), place_for(accelerator.device)
    chosen = _settings(method, rows, settings)
    recipe = runs.Recipe(method, dict(chosen.parameters()), how)
    if isinstance(chosen, LangevinSettings):
        made = partial(_langevin, rows, chosen, put, now)
        return by_main(accelerator, partial(runs.train, made, out, recipe, seed=seed, progress=progress))
    coded = partial(_pcmu, rows, chosen, put, now)
    return by_main(accelerator, partial(runs.train, coded, out, recipe, seed=seed, progress=progress))


def forget_rows(
    model: Path,
    data: Path,
    forget_ids: Sequence[str],
    out: Path,
    *,
    together: bool = True,
    progress: Progress = silent,
    device: Device = "auto",
    now: Clock = lambda: datetime.now(UTC),
) -> UnlearningCertificate:
    """Forget rows, by their ids (positions where there are none), from the directory ``model`` into ``out``.

    ``data`` is the whole file that was trained on, the forgotten rows included. ``together``: one request for
    all the rows, else one request each, in order. Raises as ``train_tabular`` does, and ``Refused`` for a row
    that is not in the data, one forgotten already, or a budget that is spent.
    """
    recipe = runs.read_recipe(model)
    accelerator = (
        accelerator_on(device) if recipe.data.get("backbone") is None else accelerator_for(recipe.data, device)
    )
    rows, put = read_rows(data, recipe.data, accelerator), place_for(accelerator.device)
    whole = request_for_ids(rows, forget_ids)
    requests = [whole] if together else [ForgetRequest((row,)) for row in whole.rows]
    if recipe.method == "langevin":
        settings = runs.settings_of(LangevinSettings, recipe.settings)
        made = partial(_langevin, rows, settings, put, now)
        return by_main(accelerator, partial(runs.forget, made, model, out, requests, recipe, progress=progress))
    coded = partial(_pcmu, rows, runs.settings_of(PcmuSettings, recipe.settings), put, now)
    return by_main(accelerator, partial(runs.forget, coded, model, out, requests, recipe, progress=progress))


def read_rows(data: Path, how: Mapping[str, runs.Value], accelerator: Accelerator | None = None) -> Dataset:
    """Read rows by the file's ending; ``how`` is that of a recipe (see ``train_tabular``).

    Texts become features on the device of ``accelerator`` (None: the CPU), whose processes share them.
    """
    id_column, backbone, public = (how.get(name) for name in ("id_column", "backbone", "public"))
    match data.suffix:
        case ".csv":
            rows = read_csv(data, str(how["label"]), None if id_column is None else str(id_column))
        case ".npz":
            rows = read_npz(data)
        case ".jsonl":
            if backbone is None:
                raise ValueError(f"{data} holds texts: name the backbone whose features they are given")
            texts = () if public is None else read_texts(Path(str(public)))
            named = read_labelled_texts(data)
            return features_of_texts(Path(str(backbone)), named, public=texts, accelerator=accelerator)
        case other:
            raise ValueError(f"cannot read {data}: {other or 'no ending'!r} is none of .csv, .npz and .jsonl")
    return rows.with_unit_rows() if how["normalise"] else rows


def _settings(method: str, rows: Dataset, given: Mapping[str, runs.Value]) -> LangevinSettings | PcmuSettings:
    if method not in get_args(Method):
        raise ValueError(f"the method is 'langevin' or 'pcmu', not {method!r}")
    if method == "langevin":
        return chosen_settings(given, rows.rows, loss_for(len(rows.classes)))
    return runs.settings_of(PcmuSettings, given, delta=1 / rows.rows)


def _langevin(
    rows: Dataset, settings: LangevinSettings, put: Put, now: Clock, work: Path
) -> runs.Kept[langevin.LangevinModel]:
    one = langevin.Langevin(rows, settings, put=put, directory=work, now=now)
    return runs.Kept(one, langevin.read_model, langevin.write_model, partial(_publish, rows))


def _pcmu(rows: Dataset, settings: PcmuSettings, put: Put, now: Clock, work: Path) -> runs.Kept[pcmu.PcmuModel]:
    one = pcmu.Pcmu(LinearTask(rows, put=put), settings, directory=work, now=now)
    return runs.Kept(one, pcmu.read_model, pcmu.write_model, partial(_publish, rows))


def _publish(
    rows: Dataset,
    directory: Path,
    model: langevin.LangevinModel | pcmu.PcmuModel,
    certificate: UnlearningCertificate,
) -> UnlearningCertificate:
    """Write ``weights`` (outputs, features) and the names of the ``classes``; return what certifies them."""
    weights = model.weights.reshape(-1, rows.width)
    np.savez(directory / TABLE, allow_pickle=False, weights=weights, classes=np.array(rows.classes))
    return with_weights(certificate, directory)
