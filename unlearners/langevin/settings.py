"""What a run of Langevin unlearning is set to, and the process that follows from it. Knows no data's content."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from unlearners.conversion import check_target
from unlearners.langevin.accounting import Process
from unlearners.losses import ConvexLoss
from unlearners.promise import Adjacency, Bound
from unlearners.protocol import Refused

__all__ = ["LangevinSettings"]


@dataclass(frozen=True, slots=True)
class LangevinSettings:
    """The target (ε, δ) and the knobs of the descent.

    ``sigma`` is the noise (each step adds N(0, 2·η·sigma²·I)), ``batch`` b rows a step, ``convexity`` m of the
    regulariser (m/2)‖w‖², ``training_epochs`` the passes of training, ``radius`` R of the projection, ``clip``
    M (None: the loss's own gradient bound, so that nothing is clipped), ``most_epochs`` what a request may
    take at most before it is refused. A run deletes rows; ``adjacency`` "replacement" accounts for them with the
    published, twice as large distance.
    """

    epsilon: float
    delta: float
    sigma: float
    batch: int
    convexity: float
    training_epochs: int
    radius: float = 100.0
    clip: float | None = None
    adjacency: Adjacency = "deletion"
    bound: Bound = "tight"
    most_epochs: int = 10_000

    def __post_init__(self) -> None:
        check_target(self.epsilon, self.delta)
        if self.training_epochs < 1 or self.most_epochs < 1:
            raise ValueError("training and unlearning take at least one epoch")
        if self.adjacency not in ("replacement", "deletion"):
            raise ValueError(f"adjacency is 'replacement' or 'deletion', not {self.adjacency!r}")
        if self.bound not in ("published", "tight"):
            raise ValueError(f"the bound is 'published' or 'tight', not {self.bound!r}")
        if not (math.isfinite(self.convexity) and self.convexity >= 0):
            raise ValueError(f"convexity must be a number of at least 0, got {self.convexity!r}")

    def process(self, rows: int, loss: ConvexLoss) -> Process:
        """Return the process on so many rows. Raises ``Refused`` naming the assumption that fails."""
        clip = loss.gradient_bound if self.clip is None else self.clip
        if rows < self.batch:
            raise Refused("a batch is filled with rows", f"{rows} rows are too few for batches of {self.batch}")
        if clip < loss.gradient_bound and not loss.clips_freely:
            raise Refused(
                "clipping keeps the descent a contraction",
                f"for the {loss.name} loss clip must be at least {loss.gradient_bound:.6g}, got {clip:g}",
            )
        smoothness = loss.smoothness + self.convexity
        return Process(rows, self.batch, self.convexity, smoothness, self.sigma, clip, self.radius)

    def parameters(self) -> Mapping[str, bool | int | float | str]:
        """Return what a certificate records, without what is None; an infinite radius is called so."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        return known | ({"radius": "infinite"} if math.isinf(self.radius) else {})
