"""What a run of PCMU is set to. Knows no data and no gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from unlearners.conversion import check_target
from unlearners.pcmu.codes import smoothed_threshold

__all__ = ["PcmuSettings", "Variant"]

Variant: TypeAlias = Literal["majority", "sampled"]
"""``majority``: each coordinate's likeliest code, exact budget in rows. ``sampled``: one noisy code, (ε, δ)."""


@dataclass(frozen=True, slots=True)
class PcmuSettings:
    """The steps w ← w - rate·code, T of them.

    ``sigma`` is the noise on the mean gradient, ``threshold`` τ of the quantiser, both in its unit. ``epsilon``
    and ``delta`` are the target of the sampled variant. ``draws`` above 0 lets the majority variant find codes
    and radii by sampling instead of in closed form, wrong with probability ``failure`` at most.
    """

    variant: Variant
    sigma: float
    threshold: float
    steps: int
    rate: float
    epsilon: float = 1.0
    delta: float = 1e-5
    draws: int = 0
    failure: float = 1e-3

    def __post_init__(self) -> None:
        if self.variant not in ("majority", "sampled"):
            raise ValueError(f"the variant is 'majority' or 'sampled', not {self.variant!r}")
        if self.steps < 1:
            raise ValueError(f"needs at least one step, got {self.steps}")
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ValueError(f"the rate must be a positive number, got {self.rate!r}")
        if self.draws < 0 or not 0 < self.failure < 1:
            raise ValueError(
                f"needs draws of at least 0 and a failure in (0, 1), got {self.draws}, {self.failure}"
            )
        check_target(self.epsilon, self.delta)
        if not (
            math.isfinite(self.sigma) and self.sigma > 0 and math.isfinite(self.threshold) and self.threshold >= 0
        ):
            raise ValueError(f"needs sigma > 0 and threshold >= 0, got {self.sigma!r} and {self.threshold!r}")
        if self.variant == "majority":
            smoothed_threshold(self.threshold, self.sigma)  # raises where no code would be 0
        elif self.draws:
            raise ValueError("the sampled variant draws each code once; leave 'draws' at 0")

    def parameters(self) -> Mapping[str, bool | int | float | str]:
        """Return what a certificate records."""
        return asdict(self)
