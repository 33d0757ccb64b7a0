"""What a run of impair-repair is set to. Knows no data and no model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

__all__ = ["ImpairRepairSettings", "Optimiser"]

Optimiser: TypeAlias = Literal["adam", "sgd"]
"""``sgd`` has momentum 0.9. The paper uses Adam."""


@dataclass(frozen=True, slots=True)
class ImpairRepairSettings:
    """The recipe; the defaults are those of the paper's notebook.

    ``noise_images`` per forgotten class, learned by Adam at ``noise_rate`` for ``noise_steps`` under
    ``noise_penalty`` times the mean squared norm, start N(0, 1). ``retain_per_class`` rows of every kept class
    (fewer where there are fewer). One epoch each at ``impair_rate`` and ``repair_rate``, in batches of about
    ``batch``. ``with_noise`` False is the control: the same without the noise.
    """

    noise_images: int = 256
    noise_steps: int = 40
    noise_rate: float = 0.1
    noise_penalty: float = 0.1
    retain_per_class: int = 1000
    impair_rate: float = 0.02
    repair_rate: float = 0.01
    batch: int = 256
    optimiser: Optimiser = "adam"
    with_noise: bool = True

    def __post_init__(self) -> None:
        if min(self.noise_images, self.noise_steps, self.retain_per_class, self.batch) < 1:
            raise ValueError("noise images, noise steps, rows per class and batch are at least 1")
        rates = (self.noise_rate, self.impair_rate, self.repair_rate)
        if not all(math.isfinite(rate) and rate > 0 for rate in rates):
            raise ValueError(f"the rates must be positive numbers, got {rates}")
        if not (math.isfinite(self.noise_penalty) and self.noise_penalty >= 0):
            raise ValueError(f"the noise penalty must be a number of at least 0, got {self.noise_penalty!r}")
        if self.optimiser not in ("adam", "sgd"):
            raise ValueError(f"the optimiser is 'adam' or 'sgd', not {self.optimiser!r}")

    def parameters(self) -> Mapping[str, bool | int | float | str]:
        """Return what a certificate records."""
        return asdict(self)
