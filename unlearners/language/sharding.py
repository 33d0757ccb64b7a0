"""A model's weights shared out between processes (FSDP2), and put together again. Knows no loss and no method.

torch's own ``fully_shard``, since accelerate's FSDP does not run on CPUs: each process holds a part of every
weight and puts a block together while it computes with it. Gradients of all processes are added up, not averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import PretrainedConfig, PreTrainedModel

__all__ = ["Sharded", "asks_for_sharding", "inside", "parted_like", "sharded", "whole", "whole_state", "within"]

T = TypeVar("T")


def asks_for_sharding(environment: Mapping[str, str], accelerator: Accelerator) -> bool:
    """Return whether `accelerate launch` was configured for FSDP. Raises ``ValueError`` for its first version."""
    if accelerator.num_processes == 1 or environment.get("ACCELERATE_USE_FSDP", "false").lower() != "true":
        return False
    if environment.get("FSDP_VERSION", "1") != "2":
        raise ValueError(
            "FSDP works in its second version alone: set fsdp_version: 2 in accelerate's configuration"
        )
    return True


class Sharded(nn.Module):
    """A model whose weights are shared out. What is computed with them is computed inside ``forward``."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    @property
    def config(self) -> PretrainedConfig:
        """The model's own."""
        config: PretrainedConfig = self.inner.config  # type: ignore[assignment]  # nn.Module's attributes are any
        return config

    def forward(self, *, compute: Callable[[nn.Module], T] | None = None, **inputs: Any) -> Any:
        """Return what ``compute`` makes of the model, or else what the model makes of the inputs."""
        return self.inner(**inputs) if compute is None else compute(self.inner)


def within(model: nn.Module, compute: Callable[[nn.Module], T]) -> T:
    """Return ``compute`` of the model, where its weights are whole."""
    found: T = model(compute=compute) if isinstance(model, Sharded) else compute(model)
    return found


def inside(model: nn.Module) -> nn.Module:
    """Return the model itself, whose weights have their own names."""
    return model.inner if isinstance(model, Sharded) else model


def sharded(model: nn.Module, like: PreTrainedModel, accelerator: Accelerator) -> Sharded:
    """Share out the model's own weights, block by block, over the processes' devices.

    ``like`` names the blocks: the model, or what its adapters stand beside.
    """
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    blocks = set(like._no_split_modules or ())
    for part in [module for module in model.modules() if type(module).__name__ in blocks]:
        fully_shard(part, mesh=mesh)
    root = Sharded(model)
    fully_shard(root, mesh=mesh)
    for part in root.modules():
        if isinstance(part, FSDPModule):
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)  # gloo knows no other
    return root


def whole(value: Tensor) -> Tensor:
    """Return a shared-out tensor put together, any other as it is. All processes call it together."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """Return all weights put together, on the CPU. All processes call it together."""
    return {name: whole(value.detach()).cpu() for name, value in inside(model).state_dict().items()}


def parted_like(value: Tensor, like: Tensor) -> Tensor:
    """Share a whole tensor out as another of its shape is, if it is; a number stays. All call it together."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
