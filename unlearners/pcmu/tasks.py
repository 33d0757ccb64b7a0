"""What PCMU trains: clipped per-row gradients of a linear head or a small network. Knows no noise and no codes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.func import functional_call, grad, vmap

from unlearners.arrays import Numbers, Put, fetched, in_memory, like, norms
from unlearners.data import Dataset
from unlearners.losses import ConvexLoss, loss_for
from unlearners.pcmu.codes import Array
from unlearners.pcmu.task import OWN_ROW, Alive, name_with_clip
from unlearners.protocol import Refused

__all__ = ["ENOUGH_ROWS", "LinearTask", "NetworkTask"]

ENOUGH_ROWS = "there are at least two rows, so that one can be deleted"


class LinearTask:
    """A linear head without intercept: logistic for two classes, multinomial for more. Starts at 0.

    ``clip`` None takes the loss's own gradient bound. ``put`` brings arrays to where gradients are computed.
    Raises ``Refused`` for a single row, or one longer than 1.
    """

    def __init__(
        self, data: Dataset, *, loss: ConvexLoss | None = None, clip: float | None = None, put: Put = in_memory
    ) -> None:
        _check_enough(data)
        data = data.bounded()
        self.data = data
        self.loss = loss_for(len(data.classes)) if loss is None else loss
        self.clip = self.loss.gradient_bound if clip is None else clip
        self.size = self.loss.outputs * data.features.shape[1]
        self.name = name_with_clip(f"linear, {self.loss.name}", clip)
        self._put = put
        self._features, self._labels = put(data.features), put(data.labels)
        self._norms = put(np.linalg.norm(data.features, axis=1))

    def start(self, seed: int) -> Array:
        """Return zeros."""
        return np.zeros(self.size)

    def gradients(self, weights: Array) -> Array:
        """Return residual times features, clipped."""
        residuals = fetched(self._residuals(weights))
        each = residuals[:, :, None] * self.data.features[:, None, :]
        return np.asarray(each.reshape(self.data.rows, self.size))

    def mean_gradient(self, weights: Array, alive: Alive) -> Array:
        """Return the mean over the living rows."""
        residuals = self._residuals(weights) * like(self._put(alive)[:, None], self._features)
        return fetched(residuals.T @ self._features).ravel() / int(alive.sum())

    def predictions(self, weights: Array, features: Array) -> NDArray[np.int64]:
        """Return the class of the largest score."""
        return self.loss.predictions(self._scores(weights, features))[:, 0]

    def _scores(self, weights: Numbers, features: Numbers) -> Numbers:
        return (features @ weights.reshape(self.loss.outputs, -1).T)[:, None, :]

    def _residuals(self, weights: Array) -> Numbers:
        scores = self._scores(self._put(weights), self._features)
        residuals = self.loss.residuals(scores, self._labels)[:, 0, :]
        sizes = norms(residuals) * self._norms[:, None]
        return residuals * (self.clip / sizes.clip(min=self.clip))


class NetworkTask:
    """A small network under cross-entropy, in 64-bit arithmetic on the CPU, rows ``chunk`` at a time.

    ``build`` makes the network anew (after ``torch.manual_seed``); it maps (n, d) to class scores. Raises
    ``Refused`` where it has layers by which rows meet or chance enters, and for fewer than two rows.
    """

    def __init__(
        self, data: Dataset, build: Callable[[], nn.Module], *, clip: float = 1.0, chunk: int = 256
    ) -> None:
        _check_enough(data)
        if not clip > 0:
            raise ValueError(f"the clip must be positive, got {clip!r}")
        self.data, self.clip, self.chunk = data, clip, chunk
        self._build = build
        self._module = self._fresh(0)
        _check_rows_apart(self._module)
        self._shapes = {name: value.shape for name, value in self._module.named_parameters()}
        self.size = sum(shape.numel() for shape in self._shapes.values())
        digest = hashlib.sha256(f"{self._module!r} {self.start(0).tobytes().hex()}".encode()).hexdigest()[:16]
        self.name = name_with_clip(f"network {digest}, cross-entropy", clip)
        self._features = torch.from_numpy(data.features)
        self._labels = torch.from_numpy(data.labels)
        self._row_gradients = vmap(grad(self._row_loss), in_dims=(None, 0, 0))

    def start(self, seed: int) -> Array:
        """Return the freshly built network's weights."""
        parameters = self._fresh(seed).parameters()
        return torch.cat([value.detach().reshape(-1) for value in parameters]).numpy().copy()

    def gradients(self, weights: Array) -> Array:
        """Return one clipped gradient a row."""
        return np.concatenate([self._clipped(weights, part).numpy() for part in self._parts()])

    def mean_gradient(self, weights: Array, alive: Alive) -> Array:
        """Return the mean over the living rows."""
        living = torch.from_numpy(alive).to(torch.float64)
        sums = [living[part] @ self._clipped(weights, part) for part in self._parts()]
        return np.asarray(torch.stack(sums).sum(dim=0).numpy() / int(alive.sum()))

    def predictions(self, weights: Array, features: Array) -> NDArray[np.int64]:
        """Return the class of the largest score."""
        with torch.no_grad():
            scores = functional_call(self._module, self._unpacked(weights), (torch.from_numpy(features),))
        return np.asarray(scores.argmax(dim=1).numpy(), dtype=np.int64)

    def _fresh(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._build().to(torch.float64)

    def _parts(self) -> list[slice]:
        return [slice(first, first + self.chunk) for first in range(0, self.data.rows, self.chunk)]

    def _unpacked(self, weights: Array) -> dict[str, torch.Tensor]:
        flat = torch.from_numpy(weights)
        parts = torch.split(flat, [shape.numel() for shape in self._shapes.values()])
        return {name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}

    def _row_loss(self, weights: dict[str, Any], row: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        scores = functional_call(self._module, weights, (row[None],))
        return nn.functional.cross_entropy(scores, label[None])

    def _clipped(self, weights: Array, part: slice) -> torch.Tensor:
        found = self._row_gradients(self._unpacked(weights), self._features[part], self._labels[part])
        rows = torch.cat([found[name].flatten(start_dim=1) for name in self._shapes], dim=1)
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
        clipped: torch.Tensor = rows * (self.clip / norms.clamp(min=self.clip))
        return clipped.detach()


def _check_enough(data: Dataset) -> None:
    if data.rows < 2:
        raise Refused(ENOUGH_ROWS, f"there is {data.rows} row")


def _check_rows_apart(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.batchnorm._NormBase | nn.modules.dropout._DropoutNd):
            kind = type(layer).__name__
            raise Refused(OWN_ROW, f"layer {name!r} is a {kind}; use GroupNorm or LayerNorm, and no dropout")
