"""Losses of a linear head that are convex in its weights, with their constants. Knows no data and no noise."""

from __future__ import annotations

import math
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unlearners.arrays import Numbers, less_one_at, like, sigmoid, softmax

__all__ = ["ConvexLoss", "Logistic", "Multinomial", "loss_called", "loss_for"]

Array: TypeAlias = NDArray[np.floating[Any]]
Labels: TypeAlias = NDArray[np.int64]


class ConvexLoss(Protocol):
    """A loss of scores W·x and a label. The constants hold for rows with ‖x‖ at most 1, without a regulariser."""

    @property
    def name(self) -> str:
        """The name that a certificate records."""
        ...

    @property
    def outputs(self) -> int:
        """How many scores a row has."""
        ...

    @property
    def smoothness(self) -> float:
        """The largest curvature in W."""
        ...

    @property
    def gradient_bound(self) -> float:
        """The largest norm of a row's gradient in W."""
        ...

    @property
    def clips_freely(self) -> bool:
        """Say whether clipping a row's gradient below ``gradient_bound`` leaves a descent that contracts."""
        ...

    def residuals(self, scores: Numbers, labels: Numbers) -> Numbers:
        """Return the derivative by the scores, shaped like them: (rows, runs, outputs); labels are (rows,).

        Both may be torch's instead of NumPy's; see ``unlearners.arrays``.
        """
        ...

    def predictions(self, scores: Array) -> Labels:
        """Return the class of each row, shape (rows, runs)."""
        ...


class Logistic:
    """log(1 + exp(-s)) for the second class's score s, with labels 0 and 1: one weight vector, no intercept.

    A clipped gradient of one score is the gradient of another convex function of it, no more curved, so
    clipping keeps the contraction.
    """

    name = "logistic"
    outputs = 1
    smoothness = 0.25
    gradient_bound = 1.0
    clips_freely = True

    def residuals(self, scores: Numbers, labels: Numbers) -> Numbers:
        """Return sigmoid(s) - y."""
        return sigmoid(scores) - like(labels[:, None, None], scores)

    def predictions(self, scores: Array) -> Labels:
        """Return 1 where the score is positive."""
        return (scores[:, :, 0] > 0).astype(np.int64)


class Multinomial:
    """Cross-entropy of a softmax over two or more classes: one weight vector a class, no intercept.

    The Hessian diag(p) - pp' is at most ½, the gradient (p - e_y)x' at most √2. With two classes the model is
    that of ``Logistic`` (the difference of the vectors counts), at a larger L and M: prefer ``Logistic``.
    """

    name = "multinomial"
    smoothness = 0.5
    gradient_bound = math.sqrt(2)
    clips_freely = False  # a clipped gradient of several scores need not be the gradient of anything

    def __init__(self, classes: int) -> None:
        if classes < 2:
            raise ValueError(f"needs at least two classes, got {classes}")
        self.outputs = classes

    def residuals(self, scores: Numbers, labels: Numbers) -> Numbers:
        """Return p - e_y."""
        return less_one_at(softmax(scores), labels)

    def predictions(self, scores: Array) -> Labels:
        """Return the class of the largest score."""
        return np.asarray(scores.argmax(axis=2), dtype=np.int64)


def loss_for(classes: int) -> ConvexLoss:
    """Return logistic regression for two classes, multinomial for more. Raises ``ValueError`` for fewer."""
    return Logistic() if classes == 2 else Multinomial(classes)


def loss_called(name: str) -> ConvexLoss:
    """Return a loss of that name, which has its constants. Raises ``ValueError`` where there is none."""
    known: tuple[ConvexLoss, ...] = (Logistic(), Multinomial(2))
    for loss in known:
        if loss.name == name:
            return loss
    raise ValueError(f"there is no loss {name!r} in this version")
