"""Langevin unlearning: train a linear head with noise, forget rows by a few more epochs without them."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearners.arrays import Put, fetched, in_memory
from unlearners.bags import Bags
from unlearners.certificate import DataSeen, Served, UnlearningCertificate, keyed_digest
from unlearners.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from unlearners.data import Dataset
from unlearners.fields import field
from unlearners.langevin.certificate import Ran, certify
from unlearners.langevin.descent import (
    Batch,
    Tally,
    bag_batches,
    batches,
    descend,
    initial_weights,
    noisy_rule,
    placed,
    with_alive,
)
from unlearners.langevin.model import LangevinModel, read_model, write_model
from unlearners.langevin.plan import Planned, plan
from unlearners.langevin.randomness import order_of, request_noise, start_generator, training_noise
from unlearners.langevin.settings import LangevinSettings
from unlearners.losses import Array, ConvexLoss, Multinomial, loss_for
from unlearners.protocol import ForgetRequest, Progress, Refused, Unlearned, silent

__all__ = ["Langevin", "LangevinModel", "read_model", "write_model"]


class Langevin:
    """An unlearner of a linear head: ``unlearners.protocol.Unlearner[LangevinModel]``.

    Data with rows of norm at most 1, or units of such rows; deleted ones leave an empty slot in their batch
    (zero gradient, same divisor). ``centre`` are public weights (outputs, d) to start from and to regularise
    and project towards, zeros where there are none. ``put`` brings arrays to where the descent runs (the weights
    agree but for rounding in 64 bits). ``directory`` keeps the progress of a run, so that the same
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
        put: Put = in_memory,
        directory: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.data: Dataset | Bags = data.bounded()
        self.settings = settings
        self.loss = _loss(data) if loss is None else loss
        if centre is not None and centre.shape != (self.loss.outputs, data.width):
            raise ValueError(f"the centre has shape {(self.loss.outputs, data.width)}, not {centre.shape}")
        self.centre = centre
        self._put = put
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
        begun = self._resume(key) or self._begin(secrets.randbits(128) if seed is None else seed)
        everyone = np.ones(self.data.rows, dtype=np.bool_)
        phase = _Phase(everyone, self.settings.training_epochs, partial(training_noise, begun.seed))
        done = self._run(key, begun, [phase], progress, "train")
        secret = secrets.token_hex(32)
        return LangevinModel(done.weights[0], done.seed, seed is None, self.bound_to, secret, done.gradients)

    def _begin(self, seed: int) -> _Begun:
        shape = (1, self.loss.outputs, self.data.width)
        start = initial_weights(self.process, shape, start_generator(seed))
        return _Begun(start if self.centre is None else start + self.centre, seed, 0, 0)

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
        begun = self._resume(key) or _Begun(model.weights[None], model.seed, 0, 0)
        done = self._run(key, begun, self._phases(model, planned), progress, "unlearn")
        served = model.served + tuple(Served(one.rows, one.epochs) for one in planned)
        spent = model.unlearning_gradients + done.gradients
        after = replace(model, weights=done.weights[0], served=served, unlearning_gradients=spent)
        return Unlearned(after, self.certificate(after))

    def certificate(self, model: LangevinModel) -> UnlearningCertificate:
        """Certify a model as it stands; nothing is promised before the first request."""
        ran = Ran(
            data=DataSeen(keyed_digest(model.data_key, self.data.sha256), self.data.rows, self.data.width),
            of_units=isinstance(self.data, Bags),
            centre=None if self.centre is None else _digest(self.centre),
            served=model.served,
            gradients=model.unlearning_gradients,
            training_gradients=model.training_gradients,
            created=self._now().isoformat(),
        )
        return certify(self.settings, self.loss, ran)

    def _phases(self, model: LangevinModel, planned: Sequence[Planned]) -> list[_Phase]:
        before = [one.rows for one in model.served]
        phases = []
        for request in planned:
            alive = np.ones(self.data.rows, dtype=np.bool_)
            alive[[row for rows in (*before, request.rows) for row in rows]] = False
            noise = partial(request_noise, model.seed, tuple(before), request.rows)
            phases.append(_Phase(alive, request.epochs, noise))
            before.append(request.rows)
        return phases

    def _run(self, key: str, begun: _Begun, phases: Sequence[_Phase], progress: Progress, what: str) -> _Begun:
        """Run the phases' epochs one after another, from the ``begun.done``-th on, and record each."""
        full = placed(self._cut(order_of(begun.seed, self.data.rows)), self._put)
        centre = 0.0 if self.centre is None else self._put(self.centre)
        rule, tally, weights = noisy_rule(self.process, centre), Tally(begun.gradients), self._put(begun.weights)
        total, offset = sum(phase.epochs for phase in phases), 0
        for phase in phases:
            noise = map(phase.noise, range(max(0, begun.done - offset), phase.epochs))
            left = with_alive(full, phase.alive)
            for moved in descend(weights, left, self.loss, rule, noise, tally):
                weights, begun = moved, _Begun(fetched(moved), begun.seed, begun.done + 1, tally.gradients)
                self._record(key, begun)
                progress(what, begun.done, total)
            offset += phase.epochs
        return begun

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
        record = found.record
        done, gradients = field(record, "done", int), field(record, "gradients", int)
        return _Begun(weights, int(field(record, "seed", str)), done, gradients)

    def _record(self, key: str, begun: _Begun) -> None:
        if self._journal is not None:
            record = {"key": key, "seed": str(begun.seed), "done": begun.done, "gradients": begun.gradients}
            write_checkpoint(self._journal, Checkpoint({"weights": begun.weights}, record))


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """Where a run stands: weights (1, outputs, d), the seed, epochs done, gradients evaluated."""

    weights: Array
    seed: int
    done: int
    gradients: int


@dataclass(frozen=True, slots=True, eq=False)
class _Phase:
    """Epochs on the rows that are left, and what draws the noise of each, counted from 0."""

    alive: NDArray[np.bool_]
    epochs: int
    noise: Callable[[int], np.random.Generator]


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digest(weights: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(weights).tobytes()).hexdigest()


def _loss(data: Dataset | Bags) -> ConvexLoss:
    return Multinomial(data.outputs) if isinstance(data, Bags) else loss_for(len(data.classes))
