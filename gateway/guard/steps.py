"""The steps of a trajectory: a judged answer, or why there is none. Knows no model and no thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.guard.channels import visible
from gateway.upstream.protocol import Choice, Usage
from verifiers.protocol import Evidence

__all__ = ["Candidate", "Ended", "Step"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One judged answer.

    ``round`` counts from 1, ``generations`` the answers drawn up to and with this one; ``usage`` is what it
    would have cost without a loop, ``usage_total`` that of all so far. ``topics`` are those that the
    conversation touches. ``ends_round`` says that the round holds no further candidate;
    ``opening_score`` is the score of the trajectory's first one, or of the first segment of it where answers are
    streamed; None where the conversation touches no topic. A ``partial`` one is the beginning of an answer that
    comes before it whole.
    """

    round: int
    choice: Choice
    score: float
    evidence: tuple[Evidence, ...]
    topics: frozenset[str]
    model: str
    usage: Usage
    usage_total: Usage
    generations: int
    ends_round: bool = True
    opening_score: float | None = None
    partial: bool = False

    @property
    def text(self) -> str:
        """Everything of it that a client would see."""
        return visible([self.choice])


@dataclass(frozen=True, slots=True)
class Ended:
    """The trajectory cannot go on. What comes after would be unverified, so nothing after it goes out.

    ``refused``: the model does not take the refined request, and would not another time; ``upstream``: it
    failed, and might not another time.
    """

    reason: Literal["abstained", "refused", "upstream"]
    detail: str


Step: TypeAlias = Candidate | Ended
