"""What was recorded: each prompt taken through the loop without stopping. Knows no thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = ["Bindings", "Candidate", "Ended", "Recording", "Trajectory"]

Ended: TypeAlias = Literal["abstained", "upstream"]


@dataclass(frozen=True, slots=True)
class Bindings:
    """Fingerprints of everything that the recorded scores and labels depend on.

    ``topics`` maps the id of each active topic to its fingerprint; ``rounds`` is the budget T; ``prompts``
    fingerprints the calibration prompts and stays empty where bindings describe what is being served.
    ``streamed`` says that answers go out segment by segment as they are verified, not whole.
    """

    generator: str
    verifier: str
    topics: Mapping[str, str]
    refinement: str
    decoding: str
    rounds: int
    prompts: str = ""
    streamed: bool = False

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"rounds must be at least 1, got {self.rounds!r}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer of the loop: ``score`` in [0, 1], higher is more likely a leak.

    ``topics`` are the ids that the evidence named; ``leak`` is the oracle's label, None while there is none.
    ``partial`` marks the beginning of an answer that stands before it whole: no generation of its own.
    ``answer`` is sensitive: for labelling and audit, never for the client or a certificate.
    """

    round: int
    score: float
    topics: tuple[str, ...] = ()
    answer: str = ""
    leak: bool | None = None
    partial: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"a score must lie in [0, 1], got {self.score!r}")
        if self.round < 0:
            raise ValueError(f"a round must not be negative, got {self.round!r}")


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One prompt and its candidates in the order in which serving would meet them.

    ``unit`` is what is exchangeable: paraphrases of one question share a unit. ``topic`` is what a forget
    prompt probes. ``ended`` says why the loop could not go on after the last candidate; serving falls back
    there, so nothing after it is released.
    """

    id: str
    candidates: tuple[Candidate, ...]
    unit: str = ""
    benign: bool = False
    topic: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    ended: Ended | None = None

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a trajectory needs an id")
        if not self.unit:
            object.__setattr__(self, "unit", self.id)
        rounds = [candidate.round for candidate in self.candidates]
        if rounds != sorted(rounds):
            raise ValueError(f"prompt {self.id!r}: its candidates are not in the order of their rounds")

    @property
    def scores(self) -> tuple[float, ...]:
        """The score of each candidate."""
        return tuple(candidate.score for candidate in self.candidates)

    @property
    def leaks(self) -> tuple[bool | None, ...]:
        """The label of each candidate."""
        return tuple(candidate.leak for candidate in self.candidates)


@dataclass(frozen=True, slots=True)
class Recording:
    """All trajectories that were recorded under one set of bindings."""

    bindings: Bindings
    trajectories: tuple[Trajectory, ...]

    @property
    def forget(self) -> tuple[Trajectory, ...]:
        """The prompts that probe a forget topic: the only ones that a leak certificate is about."""
        return tuple(trajectory for trajectory in self.trajectories if not trajectory.benign)

    @property
    def benign(self) -> tuple[Trajectory, ...]:
        """The prompts that should pass unchanged."""
        return tuple(trajectory for trajectory in self.trajectories if trajectory.benign)
