"""PCMU: train once with coded gradients, so that forgetting few enough rows costs nothing. Knows no sockets."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from unlearners.certificate import DataSeen, Served, UnlearningCertificate, keyed_digest
from unlearners.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from unlearners.fields import field, list_of, numbers_in
from unlearners.pcmu.certificate import WITHIN_BUDGET, Trained, budget_of, certify
from unlearners.pcmu.codes import Array
from unlearners.pcmu.descent import descend
from unlearners.pcmu.settings import PcmuSettings
from unlearners.pcmu.task import PcmuTask
from unlearners.protocol import ForgetRequest, Progress, Refused, Unlearned, silent
from unlearners.requests import check_rows

__all__ = ["Pcmu", "PcmuModel", "read_model", "write_model"]

RECORD_EVERY = 10
"""Steps between two records of the progress."""


@dataclass(frozen=True, slots=True, eq=False)
class PcmuModel:
    """Weights (p,), the smallest radius on the way to them (infinite if sampled), and what was served since.

    Secret: ``data_key`` (by which guesses at the data could be held against the certificate), in the sampled
    variant the seed, and with them this whole object; publish weights and certificate.
    """

    weights: Array
    smallest_radius: float
    seed: int
    seed_drawn: bool
    bound_to: str
    data_key: str
    served: tuple[Served, ...] = ()


class Pcmu:
    """An unlearner that pays in advance: ``unlearners.protocol.Unlearner[PcmuModel]``.

    Requests within the budget leave the weights as they are, at no gradient evaluation; the first beyond it
    is ``Refused``. ``directory`` keeps the progress of training; ``now`` is the clock for certificates.
    """

    name = "pcmu"

    def __init__(
        self,
        task: PcmuTask,
        settings: PcmuSettings,
        *,
        directory: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.task, self.settings = task, settings
        self._journal = None if directory is None else directory / "progress.npz"
        self._now = now

    @property
    def bound_to(self) -> str:
        """Return a digest of data, model, clip and settings: a model trained otherwise is refused."""
        parts = [self.task.data.sha256, self.task.name, repr(self.task.clip)]
        return _key(*parts, *map(repr, sorted(self.settings.parameters().items())))

    def train(self, *, seed: int | None = None, progress: Progress = silent) -> PcmuModel:
        """Learn all rows. Without a seed one is drawn and kept secret, as the sampled variant assumes.

        A run that was interrupted goes on with its own seed, to the same weights.
        """
        key = _key("train", self.bound_to, "drawn" if seed is None else str(seed))
        begun = self._resume(key) or self._begin(secrets.randbits(128) if seed is None else seed)
        everyone = np.ones(self.task.data.rows, dtype=np.bool_)
        steps = descend(self.task, self.settings, begun.weights, everyone, seed=begun.seed, first=begun.done)
        for step in steps:
            smallest = min(begun.smallest_radius, step.smallest_radius)
            begun = _Begun(step.weights, smallest, begun.seed, begun.done + 1)
            if begun.done % RECORD_EVERY == 0 or begun.done == self.settings.steps:
                self._record(key, begun)
            progress("train", begun.done, self.settings.steps)
        secret = secrets.token_hex(32)
        return PcmuModel(begun.weights, begun.smallest_radius, begun.seed, seed is None, self.bound_to, secret)

    def unlearn(
        self, model: PcmuModel, requests: Sequence[ForgetRequest], *, progress: Progress = silent
    ) -> Unlearned[PcmuModel]:
        """Account for the requests. Raises ``Refused`` for all of them where one is beyond the budget."""
        if not requests:
            raise ValueError("there is nothing to forget: no request was given")
        budget = self.budget(model)
        check_rows(self.task.data.rows, model.served, requests)
        gone = sum(len(one.rows) for one in model.served)
        asked = sum(len(request.rows) for request in requests)
        if gone + asked > budget:
            raise Refused(WITHIN_BUDGET, self._beyond(gone, asked, budget))
        new = tuple(Served(tuple(request.rows), 0.0) for request in requests)
        after = replace(model, served=model.served + new)
        progress("unlearn", len(requests), len(requests))
        return Unlearned(after, self.certificate(after))

    def budget(self, model: PcmuModel) -> int:
        """Return how many rows this model's promise covers in all. Raises ``Refused`` for a stranger's model."""
        if model.bound_to != self.bound_to:
            raise Refused("the model was trained on this data with these settings", "it was trained on others")
        return budget_of(self.settings, self._trained(model))

    def certificate(self, model: PcmuModel) -> UnlearningCertificate:
        """Certify a model as it stands; the promise precedes the requests."""
        data = self.task.data
        return certify(
            self.settings,
            self._trained(model),
            DataSeen(keyed_digest(model.data_key, data.sha256), data.rows, data.width),
            served=model.served,
            training_gradients=data.rows * self.settings.steps,
            seed=None if model.seed_drawn else model.seed,
            created=self._now().isoformat(),
        )

    def _trained(self, model: PcmuModel) -> Trained:
        return Trained(self.task.name, self.task.data.rows, self.task.clip, model.smallest_radius)

    def _beyond(self, gone: int, asked: int, budget: int) -> str:
        more = "more noise or fewer steps" if self.settings.variant == "sampled" else "fewer steps or weights"
        return (
            f"{gone} rows are forgotten, {asked} more are asked for, and the budget is {budget}: retrain on the "
            f"rows that are left (nothing was changed; {more} would give a larger budget)"
        )

    def _begin(self, seed: int) -> _Begun:
        return _Begun(self.task.start(seed % (1 << 63)), np.inf, seed, 0)

    def _resume(self, key: str) -> _Begun | None:
        if self._journal is None or not self._journal.exists():
            return None
        found = read_checkpoint(self._journal)
        if field(found.record, "key", str) != key:
            return None
        weights = np.asarray(found.arrays["weights"], dtype=np.float64)
        smallest = float(found.arrays["smallest_radius"][()])
        return _Begun(weights, smallest, int(field(found.record, "seed", str)), field(found.record, "done", int))

    def _record(self, key: str, begun: _Begun) -> None:
        if self._journal is not None:
            arrays = {"weights": begun.weights, "smallest_radius": np.array(begun.smallest_radius)}
            write_checkpoint(
                self._journal, Checkpoint(arrays, {"key": key, "seed": str(begun.seed), "done": begun.done})
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """Where a training stands: weights, smallest radius so far, seed, steps done."""

    weights: Array
    smallest_radius: float
    seed: int
    done: int


def write_model(path: Path, model: PcmuModel) -> None:
    """Write the whole state, the seed included: keep the file secret."""
    record = {
        "seed": str(model.seed),
        "seed_drawn": model.seed_drawn,
        "bound_to": model.bound_to,
        "data_key": model.data_key,
        "served": [{"rows": list(one.rows), "epochs": one.epochs} for one in model.served],
    }
    arrays = {"weights": model.weights, "smallest_radius": np.array(model.smallest_radius)}
    write_checkpoint(path, Checkpoint(arrays, record))


def read_model(path: Path) -> PcmuModel:
    """Read what ``write_model`` wrote. Raises ``ValueError`` for anything else."""
    found = read_checkpoint(path)
    record = found.record
    for name in ("weights", "smallest_radius"):
        if name not in found.arrays:
            raise ValueError(f"{path} holds no {name}")
    served: list[dict[str, object]] = list_of(record, "served", dict)
    return PcmuModel(
        np.asarray(found.arrays["weights"], dtype=np.float64),
        float(found.arrays["smallest_radius"][()]),
        int(field(record, "seed", str)),
        field(record, "seed_drawn", bool),
        field(record, "bound_to", str),
        field(record, "data_key", str),
        tuple(Served(numbers_in(one, "rows"), field(one, "epochs", float)) for one in served),
    )


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
