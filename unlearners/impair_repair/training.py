"""Plain epochs of cross-entropy for a torch classifier, the same for a seed. Knows no forgetting."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unlearners.impair_repair.data import LabelledTensors
from unlearners.impair_repair.settings import Optimiser
from unlearners.protocol import Progress, silent

__all__ = ["epochs_of", "optimiser_for", "scores_of"]

MOMENTUM = 0.9


def optimiser_for(module: nn.Module, optimiser: Optimiser, rate: float) -> torch.optim.Optimizer:
    """Return Adam, or SGD with momentum."""
    if optimiser == "adam":
        return torch.optim.Adam(module.parameters(), rate)
    return torch.optim.SGD(module.parameters(), rate, momentum=MOMENTUM)


def epochs_of(
    module: nn.Module,
    data: LabelledTensors,
    *,
    rate: float,
    epochs: int,
    batch: int,
    optimiser: Optimiser,
    seed: int,
    decay: bool = False,
    progress: Progress = silent,
) -> None:
    """Train the module in place, in train mode; afterwards it is in eval mode.

    The rows are shuffled each epoch and cut into batches of nearly equal size, at most ``batch``, so that no
    batch is a single row for batch normalisation to fail on. ``decay`` lets the rate fall linearly to 0.
    """
    generator = torch.Generator().manual_seed(seed)
    device = next(module.parameters()).device
    steps = epochs * math.ceil(data.rows / batch)
    stepper = optimiser_for(module, optimiser, rate)
    falling = torch.optim.lr_scheduler.LambdaLR(stepper, lambda step: 1 - step / steps if decay else 1.0)
    module.train()
    with torch.random.fork_rng():  # dropout draws from the global generator
        torch.manual_seed(seed)
        for epoch in range(epochs):
            order = torch.randperm(data.rows, generator=generator).to(data.labels.device)
            for rows in order.tensor_split(math.ceil(data.rows / batch)):
                stepper.zero_grad()
                scores = module(data.inputs[rows].to(device))
                nn.functional.cross_entropy(scores, data.labels[rows].to(device)).backward()  # type: ignore[no-untyped-call]
                stepper.step()
                falling.step()
            progress("train", epoch + 1, epochs)
    module.eval()


def scores_of(module: nn.Module, inputs: Tensor, batch: int = 1024) -> Tensor:
    """Return the class scores (n, classes) in eval mode, on the CPU; the module's mode is as before."""
    training, device = module.training, next(module.parameters()).device
    module.eval()
    with torch.no_grad():
        scores = torch.cat([module(part.to(device)).cpu() for part in torch.split(inputs, batch)])
    module.train(training)
    return scores
