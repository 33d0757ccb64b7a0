"""Files in, a certified linear head out: rows of numbers, or texts on a frozen backbone. Knows no command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from unlearners import certified
from unlearners.backbone import found_backbone
from unlearners.certificate import UnlearningCertificate
from unlearners.certified import Clock, Head, Method
from unlearners.counted import named
from unlearners.data import Dataset, columns_of, read_csv, read_npz
from unlearners.language.frozen_features import features_of_texts, read_labelled_texts, read_texts
from unlearners.language.processes import Device, accelerator_for, accelerator_on, by_main
from unlearners.on_device import place_for
from unlearners.pcmu.tasks import LinearTask
from unlearners.protocol import Progress, Refused, silent
from unlearners.recipe import Value, read_recipe
from unlearners.runs import SAME_DATA
from unlearners.weights import TABLE, with_weights
from unlearners.yardstick import Weights, of_rows

__all__ = ["Method", "forget_rows", "read_rows", "train_tabular"]


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
    settings: Mapping[str, Value],
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
    how: dict[str, Value] = {
        "label": label,
        "id_column": id_column,
        "normalise": normalise,
        "backbone": None if backbone is None else str(backbone.absolute()),
        "public": None if public is None else str(public.absolute()),
        "device": accelerator.device.type,
    }
    if data.suffix == ".csv":
        how["columns"] = json.dumps(columns_of(data))
    head = _head(data, how, accelerator)
    work = partial(certified.train, head, method, settings, how, out, seed=seed, progress=progress, now=now)
    return by_main(accelerator, work)


def forget_rows(
    model: Path,
    data: Path,
    forget_ids: Sequence[str],
    out: Path,
    *,
    backbone: Path | None = None,
    together: bool = True,
    progress: Progress = silent,
    device: Device = "auto",
    now: Clock = lambda: datetime.now(UTC),
) -> UnlearningCertificate:
    """Forget rows, by their ids (else positions from 0), from the directory ``model`` into ``out``.

    ``data`` is the whole file that was trained on, the forgotten rows included; ``backbone`` says where the one
    of texts lies now, if not where it was. ``together``: one request for all the rows, else one request each, in
    order. Raises as ``train_tabular`` does, and ``Refused`` for a row that is not in the data, one forgotten
    already, or a budget that is spent.
    """
    recipe = read_recipe(model)
    how = dict(recipe.data)
    if how.get("backbone") is not None:
        how["backbone"] = str(found_backbone(recipe, backbone))
    elif backbone is not None:
        raise ValueError(f"--backbone is for what was trained on a backbone; {model} was not")
    _check_columns(data, how, model)
    accelerator = accelerator_on(device) if how.get("backbone") is None else accelerator_for(how, device)
    head = _head(data, how, accelerator)
    work = partial(certified.forget, head, recipe, model, forget_ids, out)
    return by_main(accelerator, partial(work, together=together, progress=progress, now=now))


def read_rows(data: Path, how: Mapping[str, Value], accelerator: Accelerator | None = None) -> Dataset:
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
            rows_of_text = read_labelled_texts(data)
            return features_of_texts(Path(str(backbone)), rows_of_text, public=texts, accelerator=accelerator)
        case other:
            raise ValueError(f"cannot read {data}: {other or 'no ending'!r} is none of .csv, .npz and .jsonl")
    return rows.with_unit_rows() if how["normalise"] else rows


def _check_columns(data: Path, how: Mapping[str, Value], model: Path) -> None:
    """Refuse a CSV file with other columns than were trained on, and name them."""
    if data.suffix != ".csv" or (trained := how.get("columns")) is None:
        return
    before, now = json.loads(str(trained)), columns_of(data)
    missing = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    differs = [f"it has no column {named(missing)}"] if missing else []
    differs += [f"the column {named(new)} is new"] if new else []
    if differs:
        raise Refused(SAME_DATA, f"{data} is not what {model} was trained on: {' and '.join(differs)}")


def _head(data: Path, how: Mapping[str, Value], accelerator: Accelerator) -> Head:
    rows, put = read_rows(data, how, accelerator), place_for(accelerator.device)
    task = partial(LinearTask, rows, put=put)
    return Head(data, "row", rows, task, partial(_publish, rows), of_rows(rows), put=put)


def _publish(
    rows: Dataset, directory: Path, weights: Weights, certificate: UnlearningCertificate
) -> UnlearningCertificate:
    """Write ``weights`` (outputs, features) and the names of the ``classes``; return what certifies them."""
    shaped = weights.reshape(-1, rows.width)
    np.savez(directory / TABLE, allow_pickle=False, weights=shaped, classes=np.array(rows.classes))
    return with_weights(certificate, directory)
