"""AdamW on whatever loss a step has: shared between processes, and resumable. Knows no dialogues and no method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grad_norm_

from unlearners.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from unlearners.fields import field
from unlearners.language.sharding import parted_like, whole
from unlearners.protocol import Progress, silent

__all__ = ["Course", "Diverged", "Record", "Share", "StepLoss", "descend"]


class Diverged(ValueError):
    """The gradients are no longer numbers; the message says when and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """This process's part of a step's loss: the parts of all processes add up to it.

    ``gradients`` counts the dialogues whose gradient the step takes, in all processes together.
    """

    loss: Tensor
    gradients: int


StepLoss: TypeAlias = Callable[[int], Share]
"""The loss at a step, which depends on the step's number and the trained values alone."""


@dataclass(frozen=True, slots=True)
class Course:
    """So many steps at a rate that ramps up for ``warm_up`` steps and falls to 0 linearly; ``clip`` 0 is none."""

    phase: str
    steps: int
    rate: float
    warm_up: int = 0
    weight_decay: float = 0.0
    clip: float = 0.0

    def rate_at(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        return self.rate * min(1.0, (step + 1) / (self.warm_up + 1)) * (1 - step / self.steps)


@dataclass(frozen=True, slots=True)
class Record:
    """Where a course records its state every so many steps; a file under another ``key`` counts as none."""

    path: Path
    key: str
    every: int


def descend(
    trained: Mapping[str, Tensor],
    step_loss: StepLoss,
    course: Course,
    accelerator: Accelerator,
    *,
    record: Record | None = None,
    progress: Progress = silent,
) -> int:
    """Train the values in place and return the gradients spent, those before an interruption included.

    Deterministic: with the same loss, a resumed course ends with the bits of one that was not interrupted, on
    the same device and number of processes. Raises ``Diverged``.
    """
    values = list(trained.values())
    optimiser = torch.optim.AdamW(values, lr=course.rate, weight_decay=course.weight_decay)
    step, spent = _restored(trained, optimiser, record)
    accelerator.wait_for_everyone()  # nobody records before all have read
    while step < course.steps:
        share = step_loss(step)
        share.loss.backward()  # type: ignore[no-untyped-call]
        _step(values, optimiser, course, step, accelerator)
        step, spent = step + 1, spent + share.gradients
        due = record is not None and (step % record.every == 0 or step == course.steps)
        if record is not None and due:
            _keep(trained, optimiser, record, step, spent, writing=accelerator.is_main_process)
        progress(course.phase, step, course.steps)
    return spent


def _step(
    values: list[Tensor], optimiser: torch.optim.Optimizer, course: Course, step: int, accelerator: Accelerator
) -> None:
    """Sum the processes' gradients, clip them, and move."""
    moved = [value for value in values if value.grad is not None]
    if accelerator.num_processes > 1:
        for value in moved:
            if not isinstance(value, DTensor):  # those are added up already
                value.grad = accelerator.reduce(value.grad, reduction="sum")
    norm = whole(clip_grad_norm_(moved, course.clip or float("inf")))
    if not torch.isfinite(norm):
        raise Diverged(f"{course.phase} diverged at step {step + 1}; lower its rate, or weigh retaining more")
    for group in optimiser.param_groups:
        group["lr"] = course.rate_at(step)
    optimiser.step()
    optimiser.zero_grad()


def _keep(
    trained: Mapping[str, Tensor],
    optimiser: torch.optim.Optimizer,
    record: Record,
    step: int,
    spent: int,
    *,
    writing: bool,
) -> None:
    """Record the state; every process brings its parts of weights that are shared out, and one is ``writing``."""
    arrays = {f"value/{name}": whole(value.detach()).cpu().numpy() for name, value in trained.items()}
    for place, state in optimiser.state_dict()["state"].items():
        arrays |= {f"adam/{place}/{name}": whole(value).cpu().numpy() for name, value in state.items()}
    if not writing:
        return
    write_checkpoint(record.path, Checkpoint(arrays, {"key": record.key, "step": step, "spent": spent}))


def _restored(
    trained: Mapping[str, Tensor], optimiser: torch.optim.Optimizer, record: Record | None
) -> tuple[int, int]:
    """Take up the recorded state; return the steps done and the gradients spent."""
    if record is None or not record.path.exists():
        return 0, 0
    found = read_checkpoint(record.path)
    if field(found.record, "key", str) != record.key:
        return 0, 0
    values, state = list(trained.values()), dict[int, dict[str, Tensor]]()
    with torch.no_grad():
        for name, array in found.arrays.items():
            kind, _, rest = name.partition("/")
            if kind == "value":
                trained[rest].copy_(parted_like(torch.from_numpy(array), trained[rest]))
            else:
                place, _, what = rest.partition("/")
                part = parted_like(torch.from_numpy(array.copy()), values[int(place)])
                state.setdefault(int(place), {})[what] = part
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return field(found.record, "step", int), field(found.record, "spent", int)
