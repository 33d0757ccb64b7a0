"""A Langevin model and its file: the weights, and in secret all that later requests need. Knows no data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unlearners.certificate import Served
from unlearners.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from unlearners.fields import field, list_of, numbers_in
from unlearners.losses import Array

__all__ = ["LangevinModel", "read_model", "write_model"]


@dataclass(frozen=True, slots=True, eq=False)
class LangevinModel:
    """Weights (outputs, d) and how they came to be; gradients are counted as evaluated.

    Secret: the seed (whoever knows it can take the noise off again), ``data_key`` (by which guesses at the data
    could be held against the certificate) and with them this whole object; publish the weights and the
    certificate. ``bound_to`` is a digest of the data and settings of the training.
    """

    weights: Array
    seed: int
    seed_drawn: bool
    bound_to: str
    data_key: str
    training_gradients: int
    served: tuple[Served, ...] = ()
    unlearning_gradients: int = 0


def write_model(path: Path, model: LangevinModel) -> None:
    """Write the whole state, the secrets included: keep the file secret."""
    record = {
        "seed": str(model.seed),
        "seed_drawn": model.seed_drawn,
        "bound_to": model.bound_to,
        "data_key": model.data_key,
        "training_gradients": model.training_gradients,
        "served": [{"rows": list(one.rows), "epochs": one.epochs} for one in model.served],
        "unlearning_gradients": model.unlearning_gradients,
    }
    write_checkpoint(path, Checkpoint({"weights": model.weights}, record))


def read_model(path: Path) -> LangevinModel:
    """Read what ``write_model`` wrote. Raises ``ValueError`` for anything else."""
    found = read_checkpoint(path)
    record = found.record
    if "weights" not in found.arrays:
        raise ValueError(f"{path} holds no weights")
    served: list[dict[str, object]] = list_of(record, "served", dict)
    return LangevinModel(
        np.asarray(found.arrays["weights"], dtype=np.float64),
        int(field(record, "seed", str)),
        field(record, "seed_drawn", bool),
        field(record, "bound_to", str),
        field(record, "data_key", str),
        field(record, "training_gradients", int),
        tuple(Served(numbers_in(one, "rows"), field(one, "epochs", float)) for one in served),
        field(record, "unlearning_gradients", int),
    )
