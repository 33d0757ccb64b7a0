"""Langevin unlearning: train a linear head with noise, forget rows by a few more epochs without them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearners.bags import Bags
from unlearners.certificate import Served, UnlearningCertificate
from unlearners.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from unlearners.data import Dataset
from unlearners.fields import field, list_of, numbers_in
from unlearners.langevin.certificate import certify
from unlearners.langevin.descent import (
    Batch,
    bag_batches,
    batches,
    descend,
    initial_weights,
    noisy_rule,
    with_alive,
)
from unlearners.langevin.plan import Planned, plan
from unlearners.langevin.settings import LangevinSettings
from unlearners.losses import Array, ConvexLoss, Multinomial, loss_for
from unlearners.protocol import ForgetRequest, Progress, Refused, Unlearned, silent

__all__ = ["Langevin", "LangevinModel", "read_model", "write_model"]

ORDER, START, NOISE = range(3)
"""What a seed is used for: the order of the rows, the first weights, each epoch's noise."""


@dataclass(frozen=True, slots=True, eq=False)
class LangevinModel:
    """Weights (outputs, d) and how they came to be.

    Secret: the seed (whoever knows it can take the noise off again) and with it this whole object; publish the
    weights and the certificate. ``bound_to`` is a digest of the data and settings of the training.
    """

    weights: Array
    seed: int
    seed_drawn: bool
    bound_to: str
    served: tuple[Served, ...] = ()
    unlearning_gradients: int = 0


class Langevin:
    """An unlearner of a linear head: ``unlearners.protocol.Unlearner[LangevinModel]``.

    Data with rows of norm at most 1, or units of such rows; deleted ones leave an empty slot in their batch
    (zero gradient, same divisor). ``centre`` are public weights (outputs, d) to start from and to regularise
    and project towards, zeros where there are none. ``directory`` keeps the progress of a run, so that the same
    call goes on where a crash left it; ``now`` is the clock for certificates. Raises ``Refused`` for data that
    violate an assumption.
    """

    name = "langevin"

    def __init__(
        self,
        data: Dataset | Bags,
        settings: LangevinSettings,
        *,
        loss: ConvexLoss | None = None,
        centre: Array | None = None,
        directory: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        data.check_unit_rows()
        self.data, self.settings = data, settings
        self.loss = _loss(data) if loss is None else loss
        if centre is not None and centre.shape != (self.loss.outputs, data.width):
            raise ValueError(f"the centre has shape {(self.loss.outputs, data.width)}, not {centre.shape}")
        self.centre = centre
        self.process = settings.process(data.rows, self.loss)
        self._journal = None if directory is None else directory / "progress.npz"
        self._now = now

    @property
    def bound_to(self) -> str:
        """Return a digest of the data, the loss, the settings and the centre: a model of others is refused."""
        parts = [self.data.sha256, self.loss.name, *map(repr, sorted(self.settings.parameters().items()))]
        if self.centre is not None:
            parts.append(_digest(self.centre))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def train(self, *, seed: int | None = None, progress: Progress = silent) -> LangevinModel:
        """Learn all rows. Without a seed one is drawn and kept secret, which is what the promise assumes.

        A run that was interrupted goes on with its own seed.
        """
        key = _key("train", self.bound_to, "drawn" if seed is None else str(seed))
        begun = self._resume(key)
        used = begun.seed if begun else secrets.randbits(128) if seed is None else seed
        if begun is None:
            shape = (1, self.loss.outputs, self.data.width)
            start = initial_weights(self.process, shape, _generator(used, START, 0))
            begun = _Begun(start + self._about, used, 0)
        alive = np.ones(self.data.rows, dtype=np.bool_)
        weights = self._run(key, begun, [(alive, self.settings.training_epochs)], 0, progress, "train")
        return LangevinModel(weights[0], used, seed is None, self.bound_to)

    def unlearn(
        self, model: LangevinModel, requests: Sequence[ForgetRequest], *, progress: Progress = silent
    ) -> Unlearned[LangevinModel]:
        """Forget the requests in order. Raises ``Refused`` before any work; ``model`` is left as it is."""
        if model.bound_to != self.bound_to:
            raise Refused("the model was trained on this data with these settings", "it was trained on others")
        if not requests:
            raise ValueError("there is nothing to forget: no request was given")
        planned = plan(self.settings, self.process, model.served, requests)
        key = _key("unlearn", self.bound_to, _digest(model.weights), json.dumps([one.rows for one in planned]))
        begun = self._resume(key) or _Begun(model.weights[None], model.seed, 0)
        first_epoch = self.settings.training_epochs + sum(int(one.epochs) for one in model.served)
        weights = self._run(key, begun, self._phases(model, planned), first_epoch, progress, "unlearn")
        return self._finished(model, planned, weights[0])

    def _finished(
        self, model: LangevinModel, planned: Sequence[Planned], weights: Array
    ) -> Unlearned[LangevinModel]:
        new = tuple(Served(one.rows, one.epochs) for one in planned)
        spent = model.unlearning_gradients + self.data.rows * sum(one.epochs for one in planned)
        after = replace(model, weights=weights, served=model.served + new, unlearning_gradients=spent)
        return Unlearned(after, self.certificate(after))

    def certificate(self, model: LangevinModel) -> UnlearningCertificate:
        """Certify a model as it stands; nothing is promised before the first request."""
        return certify(
            self.settings,
            self.process,
            self.data,
            self.loss,
            centre=None if self.centre is None else _digest(self.centre),
            served=model.served,
            gradients=model.unlearning_gradients,
            created=self._now(),
        )

    def _phases(self, model: LangevinModel, planned: Sequence[Planned]) -> list[tuple[NDArray[np.bool_], int]]:
        alive = np.ones(self.data.rows, dtype=np.bool_)
        for one in model.served:
            alive[list(one.rows)] = False
        phases = []
        for request in planned:
            alive = alive.copy()
            alive[list(request.rows)] = False
            phases.append((alive, request.epochs))
        return phases

    def _run(
        self,
        key: str,
        begun: _Begun,
        phases: Sequence[tuple[NDArray[np.bool_], int]],
        first_epoch: int,
        progress: Progress,
        what: str,
    ) -> Array:
        """Run the phases' epochs one after another, from the ``begun.done``-th on, and record each."""
        order = _generator(begun.seed, ORDER, 0).permutation(self.data.rows)
        full = self._cut(order)
        total = sum(epochs for _, epochs in phases)
        weights, rule, done, offset = begun.weights, noisy_rule(self.process, self._about), begun.done, 0
        for alive, epochs in phases:
            left = range(max(done, offset), offset + epochs)
            offset += epochs
            if not left:
                continue
            noise = (_generator(begun.seed, NOISE, first_epoch + epoch) for epoch in left)
            for moved in descend(weights, with_alive(full, alive), self.loss, rule, noise):
                weights, done = moved, done + 1
                self._record(key, _Begun(weights, begun.seed, done))
                progress(what, done, total)
        return weights

    @property
    def _about(self) -> Array | float:
        return 0.0 if self.centre is None else self.centre

    def _cut(self, order: NDArray[np.int64]) -> tuple[Batch, ...]:
        if isinstance(self.data, Bags):
            return bag_batches(self.data, order, self.process.batch)
        return batches(self.data.features, self.data.labels, order, self.process.batch)

    def _resume(self, key: str) -> _Begun | None:
        if self._journal is None or not self._journal.exists():
            return None
        found = read_checkpoint(self._journal)
        if field(found.record, "key", str) != key:
            return None
        weights = np.asarray(found.arrays["weights"], dtype=np.float64)
        return _Begun(weights, int(field(found.record, "seed", str)), field(found.record, "done", int))

    def _record(self, key: str, begun: _Begun) -> None:
        if self._journal is not None:
            record = {"key": key, "seed": str(begun.seed), "done": begun.done}
            write_checkpoint(self._journal, Checkpoint({"weights": begun.weights}, record))


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """Where a run stands: weights (1, outputs, d), the seed, epochs done."""

    weights: Array
    seed: int
    done: int


def write_model(path: Path, model: LangevinModel) -> None:
    """Write the whole state, the seed included: keep the file secret."""
    record = {
        "seed": str(model.seed),
        "seed_drawn": model.seed_drawn,
        "bound_to": model.bound_to,
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
        tuple(Served(numbers_in(one, "rows"), field(one, "epochs", float)) for one in served),
        field(record, "unlearning_gradients", int),
    )


def _generator(seed: int, purpose: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, epoch)))


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(weights: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(weights).tobytes()).hexdigest()


def _loss(data: Dataset | Bags) -> ConvexLoss:
    return Multinomial(data.outputs) if isinstance(data, Bags) else loss_for(len(data.classes))
