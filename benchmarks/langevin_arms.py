"""The methods that benchmarks/langevin.py runs for real, each as one arm. Prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from unlearners.data import Dataset, read_npz
from unlearners.langevin.accounting import epochs_from_anywhere
from unlearners.langevin.baselines import (
    Executed,
    Phase,
    descend_to_delete,
    forget_by_noise,
    retrain,
    retrain_by_noise,
)
from unlearners.langevin.comparison import Accounted, Answer, Question, compare
from unlearners.langevin.delete_to_descent import Descent
from unlearners.losses import ConvexLoss, loss_for

__all__ = ["PUBLISHED_ROWS", "Arm", "Task", "arms", "read_task"]

TRAINING_EPOCHS = {32: 50, 64: 75, 128: 100, 256: 150, 512: 200, 1024: 300}
FULL_TRAINING_EPOCHS = 1000
PUBLISHED_ROWS = 11264
RUNS_TOGETHER = 10


@dataclass(frozen=True, slots=True)
class Task:
    """Data scaled to unit rows: all rows for D2D and LU, the first of them for PNSGD, and the test rows."""

    everything: Dataset
    rows: Dataset
    test: Dataset
    loss: ConvexLoss
    largest_eigenvalue: float
    is_mnist: bool


@dataclass(frozen=True, slots=True)
class Arm:
    """A method: its epochs over all requests, how many runs may share a call, the call by (runs, seed)."""

    kind: Literal["d2d", "retrain", "lu", "noisy", "noisy retraining"]
    name: str
    epochs: int
    together: int
    run: Callable[[int, int], Executed]


def read_task(path: Path, names: Sequence[str] | None, rows: int | None, seed: int) -> Task:
    """Read the file; hold a fifth out where it has no test rows. Raises ``ValueError`` saying what is missing."""
    found = read_npz(path)
    if names is None:
        names = ("3", "8") if found.classes == tuple("0123456789") else found.classes
    everything = found.of_classes(names).with_unit_rows()
    is_mnist = tuple(names) == ("3", "8") and everything.features.shape == (11982, 784)
    try:
        test = read_npz(path, "test").of_classes(names).with_unit_rows()
    except ValueError:
        shuffled = np.random.default_rng(seed).permutation(everything.rows)
        held = max(1, everything.rows // 5)
        test, everything = everything.take(shuffled[:held]), everything.take(shuffled[held:])
    count = rows or (PUBLISHED_ROWS if is_mnist else everything.rows)
    if not 0 < count <= everything.rows:
        raise ValueError(f"there are {everything.rows} rows to train on, not {count}")
    x = everything.features
    top = float(np.linalg.eigvalsh(x.T @ x / len(x))[-1])
    return Task(everything, everything.take(np.arange(count)), test, loss_for(len(names)), top, is_mnist)


def arms(task: Task, whole: Question, noisy: Sequence[tuple[Question, int]], seed: int) -> list[Arm]:
    """Return what to run, Descent-to-Delete first; ``noisy`` are PNSGD's settings with their batch sizes.

    Leaves out what is infeasible for this question.
    """
    once = "retraining without noise, for one request"
    found: list[Arm | None] = [_d2d(task, whole, seed), _retrain(task, whole, seed, once), _lu(task, whole, seed)]
    for question, batch in noisy:
        if batch <= question.rows:
            found.append(_pnsgd(task, question, batch, seed))
        if batch < question.rows:  # with full batches it takes ten times the epochs of Descent-to-Delete
            found.append(_noisy_retrain(task, question, batch, seed))
    part = noisy[0][0]
    if part.rows < whole.rows:  # what PNSGD loses by its rows alone
        rowwise = replace(part, full_batch_smoothness=None)
        found.append(_retrain(task, rowwise, seed, f"{once}, n={part.rows}"))
    feasible = [arm for arm in found if arm is not None]
    if not feasible or feasible[0].kind != "d2d":
        raise ValueError("Descent-to-Delete, to which all is compared, is infeasible here; use --accounting")
    return feasible


def _epochs(answer: Answer) -> tuple[int, ...] | None:
    return answer.epochs if isinstance(answer, Accounted) else None


def _phases(
    rows: int, epochs: Sequence[int], runs: int, seed: int, requests: int, at_once: int = 1
) -> list[Phase]:
    """Draw which rows each run forgets, ``at_once`` a phase, and keep those forgotten before."""
    rng = np.random.default_rng([seed, 1])
    gone = np.stack([rng.permutation(rows)[:requests] for _ in range(runs)], axis=1)
    alive = np.ones((rows, runs), dtype=np.bool_)
    phases: list[Phase] = []
    for number, count in enumerate(epochs):
        alive = alive.copy()
        alive[gone[number * at_once : (number + 1) * at_once], np.arange(runs)] = False
        phases.append((alive, count))
    return phases


def _descent(q: Question) -> Descent:
    return Descent(q.rows, q.features, q.convexity, q.data_smoothness, q.clip)


def _d2d(task: Task, q: Question, seed: int) -> Arm | None:
    epochs = _epochs(compare(replace(q, batches=(), lu_batches=())).d2d)
    if epochs is None:
        return None

    def run(runs: int, first: int) -> Executed:
        own = seed + first
        phases = _phases(q.rows, epochs, runs, own, q.requests)
        return descend_to_delete(
            task.everything, task.loss, _descent(q), q.sigma, FULL_TRAINING_EPOCHS, phases, runs, own
        )

    return Arm("d2d", "Descent-to-Delete", sum(epochs), RUNS_TOGETHER, run)


def _retrain(task: Task, q: Question, seed: int, name: str) -> Arm | None:
    if q.convexity == 0:
        return None

    def run(runs: int, first: int) -> Executed:
        left, _ = _phases(q.rows, (1,) * q.requests, runs, seed + first, q.requests)[-1]
        return retrain(_data(task, q), task.loss, _descent(q), (left, FULL_TRAINING_EPOCHS), runs)

    return Arm("retrain", name, FULL_TRAINING_EPOCHS, RUNS_TOGETHER, run)


def _lu(task: Task, q: Question, seed: int) -> Arm | None:
    at_once = min(10, q.requests)
    epochs = _epochs(compare(replace(q, batches=(), lu_batches=(at_once,))).lu[at_once])
    if epochs is None:
        return None

    def run(runs: int, first: int) -> Executed:
        own = seed + first
        phases = _phases(q.rows, epochs, runs, own, q.requests, at_once)
        process = q.process(q.rows, q.data_smoothness)
        return forget_by_noise(task.everything, task.loss, process, FULL_TRAINING_EPOCHS, phases, runs, own)

    return Arm("lu", f"LU S={at_once}", sum(epochs), RUNS_TOGETHER, run)


def _pnsgd(task: Task, q: Question, batch: int, seed: int) -> Arm | None:
    epochs = _epochs(compare(replace(q, batches=(batch,), lu_batches=())).pnsgd[batch])
    if epochs is None:
        return None

    def run(runs: int, first: int) -> Executed:
        own = seed + first
        phases = _phases(q.rows, epochs, runs, own, q.requests)
        return forget_by_noise(
            _data(task, q), task.loss, q.process(batch, q.row_smoothness), _training(q, batch), phases, runs, own
        )

    return Arm("noisy", f"PNSGD {_label(q, batch)}", sum(epochs), _together(q, batch), run)


def _noisy_retrain(task: Task, q: Question, batch: int, seed: int) -> Arm | None:
    """Every request starts afresh, so that its epochs are run for each and only the last decides the accuracy."""
    process = q.process(batch, q.row_smoothness)
    try:
        once = epochs_from_anywhere(process, q.epsilon, q.delta, q.bound)
    except ValueError:
        return None

    def run(runs: int, first: int) -> Executed:
        own = seed + first
        phases = _phases(q.rows, (once,) * q.requests, runs, own, q.requests)
        return retrain_by_noise(_data(task, q), task.loss, process, _training(q, batch), phases, runs, own)

    name = f"noisy retraining {_label(q, batch)}"
    return Arm("noisy retraining", name, once * q.requests, _together(q, batch), run)


def _data(task: Task, q: Question) -> Dataset:
    return task.everything if q.rows == task.everything.rows else task.rows


def _training(q: Question, batch: int) -> int:
    if batch == q.rows:
        return FULL_TRAINING_EPOCHS
    return TRAINING_EPOCHS[min((size for size in TRAINING_EPOCHS if size >= batch), default=1024)]


def _together(q: Question, batch: int) -> int:
    """Full batches have no order of their own, so that runs can share them; mini-batches cannot."""
    return RUNS_TOGETHER if batch == q.rows else 1


def _label(q: Question, batch: int) -> str:
    return f"b={'n' if batch == q.rows else batch} sigma={q.sigma:g} n={q.rows} {q.bound}"
