"""Epochs of unlearning by every linear method, side by side, accounted and not run. Knows no data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from unlearners.conversion import check_target
from unlearners.langevin.accounting import (
    Process,
    distance_per_row,
    epochs_from_anywhere,
    sequential_epochs,
)
from unlearners.langevin.delete_to_descent import (
    Descent,
    sequential_steps,
    single_request_sigma,
    steps_between_requests,
)
from unlearners.langevin.full_batch import lu_epochs
from unlearners.promise import Adjacency, Bound

__all__ = ["Accounted", "Accounts", "Answer", "NotFeasible", "Question", "compare"]


@dataclass(frozen=True, slots=True)
class Question:
    """What to account for: single-row requests, one after another.

    ``lam`` is the regulariser by row: m = lam·rows. ``smoothness`` L (m included; None: ¼ + m) is a row's, for
    every method; ``full_batch_smoothness`` (None: the same) is the whole data's, for Descent-to-Delete and LU
    alone. ``training_epochs`` matter where lam is 0.
    """

    rows: int
    features: int
    lam: float
    sigma: float
    epsilon: float
    delta: float
    requests: int
    batches: tuple[int, ...]
    lu_batches: tuple[int, ...] = (1, 5, 10, 20, 50, 100)
    smoothness: float | None = None
    full_batch_smoothness: float | None = None
    bound: Bound = "published"
    adjacency: Adjacency = "replacement"
    clip: float = 1.0
    radius: float = 100.0
    training_epochs: int = 1000

    def __post_init__(self) -> None:
        check_target(self.epsilon, self.delta)
        for name in ("rows", "features", "requests", "training_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("sigma", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a positive number, got {getattr(self, name)!r}")
        if not self.radius > 0:
            raise ValueError(f"radius must be positive (inf for none), got {self.radius!r}")
        if not (math.isfinite(self.lam) and self.lam >= 0):
            raise ValueError(f"lam must be a number of at least 0, got {self.lam!r}")
        if self.requests > self.rows:
            raise ValueError(f"{self.requests} requests cannot each forget one of {self.rows} rows")
        if not all(self.convexity < one < math.inf for one in (self.row_smoothness, self.data_smoothness)):
            raise ValueError(
                f"the smoothness L must be a number larger than m = lam·rows = {self.convexity:g}, got "
                f"{self.row_smoothness:g} of a row and {self.data_smoothness:g} of the whole data"
            )

    @property
    def convexity(self) -> float:
        """Return m."""
        return self.lam * self.rows

    @property
    def row_smoothness(self) -> float:
        """Return the L of each row's loss."""
        return 0.25 + self.convexity if self.smoothness is None else self.smoothness

    @property
    def data_smoothness(self) -> float:
        """Return the L of the mean over all rows."""
        return self.row_smoothness if self.full_batch_smoothness is None else self.full_batch_smoothness

    def process(self, batch: int, smoothness: float) -> Process:
        """Return the noisy descent with these batches."""
        return Process(self.rows, batch, self.convexity, smoothness, self.sigma, self.clip, self.radius)


@dataclass(frozen=True, slots=True)
class Accounted:
    """Epochs of each request (of each batch of requests, for LU), and further figures by name."""

    epochs: tuple[int, ...]
    details: Mapping[str, float | int]

    @property
    def total(self) -> int:
        """Return the sum of the epochs."""
        return sum(self.epochs)


@dataclass(frozen=True, slots=True)
class NotFeasible:
    """No number of epochs will do, and why."""

    reason: str


Answer: TypeAlias = Accounted | NotFeasible


@dataclass(frozen=True, slots=True)
class Accounts:
    """The answers: Descent-to-Delete, LU by requests at once (S), PNSGD by batch size."""

    d2d: Answer
    lu: Mapping[int, Answer]
    pnsgd: Mapping[int, Answer]


def compare(question: Question) -> Accounts:
    """Account for each method. LU is asked for batches of no more than all the requests."""
    q = question
    return Accounts(
        _answer(partial(_d2d, q)),
        {size: _answer(partial(_lu, q, size)) for size in q.lu_batches if size <= q.requests},
        {batch: _answer(partial(_pnsgd, q, batch)) for batch in q.batches},
    )


def _answer(account: Callable[[], Accounted]) -> Answer:
    try:
        return account()
    except ValueError as error:
        return NotFeasible(str(error))
    except ArithmeticError:
        return NotFeasible("these settings leave the range of floating-point numbers")


def _d2d(q: Question) -> Accounted:
    descent = Descent(q.rows, q.features, q.convexity, q.data_smoothness, q.clip)
    least = steps_between_requests(descent, q.epsilon, q.delta)
    details = {
        "smoothness": q.data_smoothness,
        "steps_between_requests": least,
        "single_request_sigma": single_request_sigma(descent, least, q.epsilon, q.delta),
    }
    return Accounted(sequential_steps(descent, q.requests, q.epsilon, q.delta), details)


def _lu(q: Question, size: int) -> Accounted:
    process = q.process(q.rows, q.data_smoothness)
    details = {"smoothness": q.data_smoothness, "requests_at_once": size}
    return Accounted(lu_epochs(process, q.requests, size, q.epsilon, q.delta), details)


def _pnsgd(q: Question, batch: int) -> Accounted:
    process = q.process(batch, q.row_smoothness)
    epochs = sequential_epochs(
        process,
        (1,) * q.requests,
        q.epsilon,
        q.delta,
        adjacency=q.adjacency,
        bound=q.bound,
        training_epochs=q.training_epochs,
    )
    details = {
        "smoothness": q.row_smoothness,
        "batch": batch,
        "steps_per_epoch": process.steps_per_epoch,
        "distance_per_row": distance_per_row(process, q.adjacency, q.bound, q.training_epochs),
    }
    if math.isfinite(process.radius):  # retraining with the same noise and accountant: a critic's first question
        details["noisy_retraining_epochs"] = epochs_from_anywhere(process, q.epsilon, q.delta, q.bound)
    return Accounted(epochs, details)
