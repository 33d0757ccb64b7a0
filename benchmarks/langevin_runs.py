"""What each run of an arm of benchmarks/langevin.py gave: kept as JSON, so that a second call adds to a first."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from langevin_arms import Arm, Task
from scipy.stats import t as student

from unlearners.langevin.baselines import accuracy

__all__ = ["Figures", "Interval", "measure"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the half-width of its 95 % interval (Student), 0 from a single value."""

    mean: float
    half_width: float

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.half_width:.4f}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What an arm gave; gradients and epochs are those of one run, of the unlearning alone."""

    method: str
    runs: int
    epochs: int
    gradients: int
    training_gradients: int
    trained: Interval
    accuracy: Interval
    seconds: float


@dataclass(slots=True)
class _Runs:
    """Accuracies after training and at the end, run by run; gradients of one run; seconds of all."""

    trained: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    gradients: int = 0
    training_gradients: int = 0
    seconds: float = 0.0


def measure(arm: Arm, task: Task, runs: int, kept: Path | None = None, key: str = "") -> Figures:
    """Run an arm until there are so many runs, and average the first of them.

    ``kept`` is a folder where runs are recorded and found again, of the same arm under the same ``key``: all that
    the runs depend on.
    """
    path = (
        None
        if kept is None
        else kept / f"{hashlib.sha256(f'{arm.name} {arm.epochs} {key}'.encode()).hexdigest()}.json"
    )
    done = _Runs(**json.loads(path.read_text())) if path and path.is_file() else _Runs()
    while len(done.final) < runs:
        _go_on(done, arm, task, min(arm.together, runs - len(done.final)))
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(done)))
    return Figures(
        arm.name,
        runs,
        arm.epochs,
        done.gradients,
        done.training_gradients,
        _interval(done.trained[:runs]),
        _interval(done.final[:runs]),
        done.seconds,
    )


def _go_on(done: _Runs, arm: Arm, task: Task, count: int) -> None:
    began = time.perf_counter()
    executed = arm.run(count, len(done.final))
    done.trained += accuracy(executed.trained, task.test, task.loss).tolist()
    done.final += accuracy(executed.weights, task.test, task.loss).tolist()
    done.gradients, done.training_gradients = executed.gradients, executed.training_gradients
    done.seconds += time.perf_counter() - began


def _interval(values: Sequence[float]) -> Interval:
    count = len(values)
    if count < 2:
        return Interval(float(np.mean(values)), 0.0)
    half = student.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count)
    return Interval(float(np.mean(values)), float(half))
