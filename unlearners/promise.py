"""What can be promised about an unlearned model, from a probability bound to nothing. Knows no method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias, cast

from unlearners.fields import field

__all__ = [
    "Adjacency",
    "Bound",
    "ExactRetrain",
    "Indistinguishable",
    "NothingPromised",
    "Promise",
    "promise_in",
    "promise_out",
    "promise_words",
]

Adjacency: TypeAlias = Literal["replacement", "deletion"]
"""How the data without the forgotten row differs from the data: another row in its place, or none."""

Bound: TypeAlias = Literal["published", "tight", "zcdp"]
"""Which analysis gave ε: a paper's own constants, the ones proved in docs/unlearners, or zCDP composition."""


@dataclass(frozen=True, slots=True)
class Indistinguishable:
    """(ε, δ): no test tells the served model from one never trained on the forgotten rows by more than that.

    P(model in S) ≤ e^ε · P(retrained in S) + δ for every set S of models, and the other way round.
    """

    epsilon: float
    delta: float
    adjacency: Adjacency
    bound: Bound

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            raise ValueError(f"epsilon must be a number of at least 0, got {self.epsilon!r}")
        if not 0 < self.delta < 1:
            raise ValueError(f"delta must lie between 0 and 1, got {self.delta!r}")
        if self.adjacency not in ("replacement", "deletion"):
            raise ValueError(f"the adjacency {self.adjacency!r} is unknown to this version")
        if self.bound not in ("published", "tight", "zcdp"):
            raise ValueError(f"the bound {self.bound!r} is unknown to this version")


@dataclass(frozen=True, slots=True)
class ExactRetrain:
    """The served weights equal those of retraining, for up to ``rows`` forgotten rows in all (0: for none).

    ``failure`` is the probability that the certificate itself is wrong: 0 in closed form, positive by
    sampling.
    """

    rows: int
    failure: float

    def __post_init__(self) -> None:
        if self.rows < 0:
            raise ValueError(f"a budget of rows cannot be negative, got {self.rows}")
        if not 0 <= self.failure < 1:
            raise ValueError(f"failure must lie in [0, 1), got {self.failure!r}")


@dataclass(frozen=True, slots=True)
class NothingPromised:
    """There is no guarantee, and why."""

    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("say why nothing is promised")


Promise: TypeAlias = Indistinguishable | ExactRetrain | NothingPromised


def promise_words(promise: Promise, noun: str = "row") -> str:
    """Say the promise in a sentence; ``noun`` is what is forgotten."""
    match promise:
        case Indistinguishable(epsilon, delta, adjacency, bound):
            instead = f"with another {noun} in place of each" if adjacency == "replacement" else "without them"
            return (
                f"Whoever sees this model can hardly tell whether it was trained on the forgotten {noun}s or "
                f"{instead}: ({epsilon:g}, {delta:.3g})-indistinguishable from retraining, by the {bound} bound."
            )
        case ExactRetrain(0, _):
            return f"The budget is 0 {noun}s: nothing can be forgotten under this certificate without retraining."
        case ExactRetrain(rows, failure):
            sure = "with certainty" if failure == 0 else f"except with probability {failure:g}"
            forgotten = f"{rows} forgotten {noun}" + ("" if rows == 1 else "s")
            return f"For up to {forgotten} in all, these are the weights of retraining, {sure}."
        case NothingPromised(reason):
            return f"Nothing is promised: {reason}"


def promise_out(promise: Promise) -> dict[str, object]:
    """Encode as an object for JSON."""
    kinds = {Indistinguishable: "indistinguishable", ExactRetrain: "exact_retrain", NothingPromised: "nothing"}
    content = asdict(promise)
    for name in {"epsilon", "delta", "failure"} & set(content):
        content[name] = float(content[name])  # so that 1 and 1.0 have the same digest
    return {"kind": kinds[type(promise)], **content}


def promise_in(source: Mapping[str, object]) -> Promise:
    """Decode. Raises ``ValueError`` for an unknown kind or a value out of range."""
    match kind := field(source, "kind", str):
        case "indistinguishable":
            return Indistinguishable(
                field(source, "epsilon", float),
                field(source, "delta", float),
                cast(Adjacency, field(source, "adjacency", str)),
                cast(Bound, field(source, "bound", str)),
            )
        case "exact_retrain":
            return ExactRetrain(field(source, "rows", int), field(source, "failure", float))
        case "nothing":
            return NothingPromised(field(source, "reason", str))
    raise ValueError(f"the promise {kind!r} is unknown to this version")
