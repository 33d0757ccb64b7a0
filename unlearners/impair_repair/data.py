"""Inputs and class labels for any torch classifier, and requests that name classes. Knows no model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearners.protocol import ForgetRequest, Refused

__all__ = ["WHOLE_CLASSES", "LabelledTensors", "class_request", "classes_in", "retained_sample"]

WHOLE_CLASSES = "a request names all rows of one or more classes"
IN_DATA = "a forgotten class is in the data"
SOMETHING_LEFT = "the data keep rows of at least two other classes"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTensors:
    """Inputs (n, …) of floating point and labels (n,) of whole numbers from 0.

    Raises ``Refused`` for inputs that are not finite, ``ValueError`` where shapes or kinds disagree.
    """

    inputs: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.inputs.ndim < 2 or self.labels.shape != self.inputs.shape[:1]:
            shapes = f"{tuple(self.inputs.shape)}, {tuple(self.labels.shape)}"
            raise ValueError(f"needs inputs (n, …) and labels (n,), got {shapes}")
        if not self.inputs.is_floating_point() or self.labels.dtype != torch.int64:
            raise ValueError(f"needs float inputs and int64 labels, got {self.inputs.dtype}, {self.labels.dtype}")
        if len(self.labels) == 0 or int(self.labels.min()) < 0:
            raise Refused("there are rows, with labels from 0", f"there are {len(self.labels)} rows")
        if not bool(torch.isfinite(self.inputs).all()):
            raise Refused("every input is a finite number", "some input is not")

    @property
    def rows(self) -> int:
        """Return n."""
        return len(self.labels)

    @property
    def classes(self) -> tuple[int, ...]:
        """Return the classes that have rows, ascending."""
        return tuple(int(label) for label in torch.unique(self.labels))

    @property
    def sha256(self) -> str:
        """Return a digest of inputs and labels, in this order of rows."""
        digest = hashlib.sha256(repr((tuple(self.inputs.shape), str(self.inputs.dtype))).encode())
        for part in (self.inputs, self.labels):
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def of_classes(self, classes: Sequence[int]) -> LabelledTensors:
        """Keep the rows of these classes. Raises ``Refused`` where there are none."""
        return self._where(self._among(classes))

    def without_classes(self, classes: Sequence[int]) -> LabelledTensors:
        """Keep the rows of all other classes. Raises ``Refused`` where there are none."""
        return self._where(~self._among(classes))

    def _among(self, classes: Sequence[int]) -> Tensor:
        return torch.isin(self.labels, torch.tensor(list(classes), device=self.labels.device))

    def _where(self, kept: Tensor) -> LabelledTensors:
        return LabelledTensors(self.inputs[kept], self.labels[kept])


def class_request(data: LabelledTensors, classes: Sequence[int]) -> ForgetRequest:
    """Name all rows of these classes. Raises ``Refused`` for a class that has none, or where too few stay."""
    for label in classes:
        if label not in data.classes:
            raise Refused(IN_DATA, f"there is no row of class {label}; the classes are {data.classes}")
    _check_left(data, classes)
    rows = torch.isin(data.labels, torch.tensor(list(classes), device=data.labels.device)).nonzero()[:, 0]
    return ForgetRequest(tuple(rows.tolist()))


def classes_in(data: LabelledTensors, request: ForgetRequest) -> tuple[int, ...]:
    """Return the classes that a request names whole. Raises ``Refused`` for a part of one, or a strange row."""
    if max(request.rows) >= data.rows:
        raise Refused("a forgotten row is in the data", f"there is no row {max(request.rows)} among {data.rows}")
    labels = data.labels[list(request.rows)]
    named = tuple(int(label) for label in torch.unique(labels))
    for label in named:
        asked, there = int((labels == label).sum()), int((data.labels == label).sum())
        if asked != there:
            raise Refused(WHOLE_CLASSES, f"it names {asked} of the {there} rows of class {label}")
    return named


def retained_sample(
    data: LabelledTensors, forgotten: Sequence[int], per_class: int, generator: torch.Generator
) -> LabelledTensors:
    """Draw up to ``per_class`` rows of every class that is kept. Raises ``Refused`` where under two are."""
    _check_left(data, forgotten)
    kept = [label for label in data.classes if label not in forgotten]
    drawn = []
    for label in kept:
        rows = (data.labels == label).nonzero()[:, 0]
        order = torch.randperm(len(rows), generator=generator)[:per_class]
        drawn.append(rows[order.to(rows.device)])
    chosen = torch.cat(drawn)
    return LabelledTensors(data.inputs[chosen], data.labels[chosen])


def _check_left(data: LabelledTensors, forgotten: Sequence[int]) -> None:
    left = [label for label in data.classes if label not in forgotten]
    if len(left) < 2:
        raise Refused(SOMETHING_LEFT, f"of the classes {data.classes} only {tuple(left)} would be left")
