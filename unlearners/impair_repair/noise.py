"""Error-maximising noise: inputs that a frozen classifier is surest are not of a class. Knows no training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from unlearners.impair_repair.settings import ImpairRepairSettings
from unlearners.protocol import Progress, silent

__all__ = ["frozen", "learn_noise"]


def learn_noise(
    model: nn.Module,
    label: int,
    shape: tuple[int, ...],
    settings: ImpairRepairSettings,
    *,
    seed: int,
    progress: Progress = silent,
) -> Tensor:
    """Minimise -CE(model(N), label) + penalty·mean‖N‖² over N of shape (noise_images, *shape), from N(0, 1).

    The model is frozen in eval mode meanwhile and afterwards as it was. N is on the model's device. The cross
    entropy has no upper bound, so without the penalty N would grow for ever.
    """
    like = next(model.parameters())
    start = torch.randn((settings.noise_images, *shape), generator=torch.Generator().manual_seed(seed))
    noise = start.to(like.device, like.dtype).requires_grad_()
    wanted = torch.full((settings.noise_images,), label, device=like.device)
    optimiser = torch.optim.Adam([noise], settings.noise_rate)
    with frozen(model):
        for step in range(settings.noise_steps):
            optimiser.zero_grad()
            size = noise.square().flatten(start_dim=1).sum(dim=1).mean()
            loss = settings.noise_penalty * size - nn.functional.cross_entropy(model(noise), wanted)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            progress(f"noise for class {label}", step + 1, settings.noise_steps)
    return noise.detach()


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Hold a model in eval mode, its parameters without gradients; afterwards as it was, mode by mode."""
    modes = [(part, part.training) for part in model.modules()]
    wanted = [(value, value.requires_grad) for value in model.parameters()]
    model.eval()
    for value, _ in wanted:
        value.requires_grad_(False)
    try:
        yield
    finally:
        for value, before in wanted:
            value.requires_grad_(before)
        for part, training in modes:
            part.training = training
